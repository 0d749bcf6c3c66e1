"""What goes wrong before anything is answered: names, connections, proxies, certificates."""

from collections.abc import Mapping

from broker.core.diagnosis import Act
from broker.core.errors import NetworkFault
from broker.providers.rows import Row

NETWORK: Mapping[NetworkFault, Row] = {
    "dns": Row(
        reason="dns_failed",
        act=Act.SERVER,
        cause="The host name of {where} was not resolved.",
        fix="Check the host in clients.<name>.issuer or clients.<name>.token_endpoint, and the pod's DNS and network"
        " policy (port 53).",
    ),
    "connect": Row(
        reason="connect_failed",
        act=Act.SERVER,
        cause="No connection to {where} was made.",
        fix="Let this network reach that host and port (network policy, firewall, egress gateway), or set"
        " clients.<name>.http.proxy.",
    ),
    "timeout": Row(
        reason="timeout",
        act=Act.SERVER,
        cause="{where} did not answer in time.",
        fix="See whether a firewall drops the packets; if the server is just slow, raise clients.<name>.http.timeout"
        " and clients.<name>.http.connect_timeout.",
    ),
    "tls": Row(
        reason="tls_failed",
        act=Act.SERVER,
        cause="No trusted TLS connection to {where} was made.",
        fix="If a proxy or a private CA signs for that host, put its CA certificate into the file"
        " clients.<name>.http.ca_file; else check the host name, the server's certificate and the node's clock.",
    ),
    "proxy": Row(
        reason="proxy_failed",
        act=Act.SERVER,
        cause="The HTTP proxy did not open the way to {where}.",
        fix="Check clients.<name>.http.proxy and clients.<name>.http.proxy_password_file (or HTTPS_PROXY and NO_PROXY"
        " in the environment), and that the proxy permits this host.",
    ),
    "disconnected": Row(
        reason="connection_lost",
        act=Act.SERVER,
        cause="The connection to {where} broke before the answer was complete.",
        fix="Wait, the broker keeps trying; if it lasts, look for a proxy, firewall or load balancer that closes"
        " connections, or for plain http where https is needed.",
    ),
    "ca_file": Row(
        reason="ca_file",
        act=Act.OPERATOR,
        cause="The trusted certificates in {where} cannot be used.",
        fix="Put PEM certificates into the file named by clients.<name>.http.ca_file, readable for the broker's user;"
        " it is read again for every attempt.",
    ),
}

#: What the system, OpenSSL or a proxy says tells more than the step at which it went wrong.
SENTENCES: Mapping[NetworkFault, tuple[Row, ...]] = {
    "tls": (
        Row(
            says=("certificate has expired",),
            reason="tls_failed",
            act=Act.SERVER,
            cause="The certificate of {where} has expired, or this machine's clock is ahead.",
            fix="If the clock is right (compare it with `date -u` elsewhere), have whoever runs that server renew its"
            " certificate; else synchronise the node's clock (NTP, chrony).",
        ),
        Row(
            says=("certificate is not yet valid",),
            reason="tls_failed",
            act=Act.SERVER,
            cause="The certificate of {where} is not valid yet: this machine's clock is behind.",
            fix="Synchronise the node's clock (NTP, chrony); if it is right, have whoever runs that server look at its"
            " certificate.",
        ),
        Row(
            says=("Hostname mismatch", "IP address mismatch"),
            reason="tls_failed",
            act=Act.SERVER,
            cause="The certificate that {where} presents is for another host, or names it only as its Common Name,"
            " which does not count.",
            fix="Write clients.<name>.issuer or clients.<name>.token_endpoint with a host of the certificate's"
            " subjectAltName, or have that host added to it; if a gateway answers in the server's place, correct DNS or"
            " the route.",
        ),
        Row(
            says=("unable to get local issuer certificate", "self-signed certificate", "self signed certificate"),
            reason="tls_failed",
            act=Act.SERVER,
            cause="The certificate of {where} is signed by nobody who is trusted here: a private CA, a proxy that looks"
            " into TLS, or a server that does not send its whole chain.",
            fix="Put the CA certificate of whoever signed it into the file clients.<name>.http.ca_file; if the server"
            " is a public one and no proxy is in the way, have it send its intermediate certificates.",
        ),
        Row(
            says=("the port does not speak TLS",),
            reason="tls_failed",
            act=Act.SERVER,
            cause="What listens at {where} does not speak TLS.",
            fix="Correct the port in clients.<name>.issuer or clients.<name>.token_endpoint; where plain http is really"
            " meant, write http:// and set clients.<name>.allow_http to true.",
        ),
    ),
    "proxy": (
        Row(
            says=("the proxy answered 407",),
            reason="proxy_failed",
            act=Act.SERVER,
            cause="The HTTP proxy on the way to {where} wants a user and a password, or other ones.",
            fix="Write the proxy's user into clients.<name>.http.proxy and its password into the file"
            " clients.<name>.http.proxy_password_file.",
        ),
        Row(
            says=("the proxy answered",),
            reason="proxy_failed",
            act=Act.SERVER,
            cause="The HTTP proxy does not let requests through to {where}.",
            fix="Have that host permitted at the proxy, or leave the proxy out for it: NO_PROXY in the environment, or"
            " clients.<name>.http.proxy set to none.",
        ),
        Row(
            says=("the proxy cannot be reached",),
            reason="proxy_failed",
            act=Act.SERVER,
            cause="The HTTP proxy on the way to {where} cannot be reached.",
            fix="Correct clients.<name>.http.proxy (or HTTPS_PROXY in the environment), or let this network reach the"
            " proxy; none as clients.<name>.http.proxy does without one.",
        ),
    ),
}
