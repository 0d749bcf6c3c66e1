"""Addresses and URLs in the configuration: what is wrong with one, as the end of a sentence, or None.

A URL that may hold a password is never repeated in the sentence.
"""

import re
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from yarl import URL

from broker.core.proof_target import place_of
from broker.core.urls import LOOPBACK
from broker.http_server.sockets import LONGEST_PATH

HOST = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*")

NO_NAME = "has a host of which a part between dots is empty or longer than 63 characters; correct it"


def api_listen(address: str) -> str | None:
    """Check a workload API address: loopback or a Unix socket."""
    if address.startswith("unix:"):
        path = address.removeprefix("unix:")
        if not path.startswith("/"):
            return f"{address!r:.80} needs an absolute path, like unix:/run/token-broker/api.sock"
        if len(path.encode()) > LONGEST_PATH:
            return f"the path of a Unix socket has at most {LONGEST_PATH} bytes"
        return None
    if wrong := admin_listen(address):
        return wrong
    host = address.rpartition(":")[0].strip("[]")
    if host.lower() == "localhost" or (_is_ip(host) and ip_address(host).is_loopback):
        return None
    return (
        f"{address!r:.80} is reachable from outside, and tokens are handed out here; write localhost:PORT,"
        " 127.0.0.1:PORT, [::1]:PORT or unix:/PATH"
    )


def admin_listen(address: str) -> str | None:
    """Check an admin listener address: any host, or none for all addresses."""
    host, colon, port = address.rpartition(":")
    if not colon or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        return f"{address!r:.80} is not HOST:PORT, like localhost:7180 or [::1]:7180"
    if host.startswith("["):
        valid = host.endswith("]") and ":" in host and _is_ip(host[1:-1])
    else:
        valid = not host or HOST.fullmatch(host) is not None
    return None if valid else f"{address!r:.80} names no host; an IPv6 address stands in brackets, [::1]:7180"


def host_name(host: str) -> str | None:
    """Check the host of a Host header: a name or an address, without port."""
    if HOST.fullmatch(host) or _is_ip(host.strip("[]")):
        return None
    return f"{host!r:.80} is not a host name; write it without scheme, port or path, like broker.internal"


def endpoint(url: str) -> str | None:
    """Check a token endpoint (RFC 6749 section 3.2)."""
    if not (parts := _split(url)):
        return "is not a URL; write it in full, like https://idp.example.com/oauth2/token"
    if parts.username is not None or parts.password is not None:
        return "holds a user or a password; the broker proves itself with its key alone"
    if not _can_be_looked_up(url):
        return NO_NAME
    return "has a fragment (#…); take it out" if "#" in url else None


def issuer(url: str) -> str | None:
    """Check an issuer identifier (RFC 8414 section 2)."""
    if wrong := endpoint(url):
        return wrong.replace("/oauth2/token", "")
    return "has a query (?…), which an issuer never has; take it out" if "?" in url else None


def target(url: str) -> str | None:
    """Check a DPoP target (RFC 9449): an origin in the normal form that requests are compared with."""
    place = place_of(url)
    alone = place.origin if place else origin(url) or ""
    if url == alone and place:
        return None
    if place_of(alone):
        return f"is not an origin alone, in small letters; write {alone}"
    if alone and insecure(url):
        return "is plain http, which is for loopback only; use https"
    return "is not an origin; write it like https://api.example.com"


def origin(url: str) -> str | None:
    """Return the origin of an http or https URL, without a default port; `None` for any other."""
    return str(URL(url).origin()) if _split(url) else None


def host(url: str) -> str:
    """Return a URL's host; empty for an invalid URL."""
    parts = _split(url)
    return parts.hostname or "" if parts else ""


def path(url: str) -> str:
    """Return a URL's path."""
    return urlsplit(url).path


def insecure(url: str) -> bool:
    """Whether requests to `url` travel unencrypted beyond loopback."""
    parts = urlsplit(url)
    return parts.scheme != "https" and parts.hostname not in LOOPBACK


def proxy(url: str) -> str | None:
    """Check a proxy URL, or `none`."""
    if url == "none":
        return None
    if not (parts := _split(url)):
        return (
            "is neither a URL like http://proxy.example.com:3128 nor none (no proxy); without the key, the variable"
            " HTTPS_PROXY decides"
        )
    if parts.password is not None:
        return "holds a password; put that into a file and name it as proxy_password_file"
    return None if _can_be_looked_up(url) else NO_NAME


def proxy_user(url: str | None) -> str | None:
    """Return the user name in the URL, if any."""
    return urlsplit(url).username or None if url else None


def resource(uri: str) -> str | None:
    """Check a resource indicator (RFC 8707 section 2)."""
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s]+", uri):
        return f"{uri!r:.80} is not an absolute URI, like https://api.example.com/ or urn:example:api"
    return f"{uri!r:.80} has a fragment (#…), which RFC 8707 forbids" if "#" in uri else None


def _split(url: str) -> SplitResult | None:
    """Return the parts of an http or https URL; `None` for any other."""
    try:
        parts = urlsplit(url)
        # Reject a URL that urllib and the HTTP client's yarl parse differently.
        valid = URL(url).host == parts.hostname and parts.port != 0 and url.startswith(("https://", "http://"))
    except ValueError:
        return None
    return parts if valid and parts.hostname and not set(' \\<>"') & set(url) else None


def _can_be_looked_up(url: str) -> bool:
    """Whether the URL's host can be encoded for DNS, which the HTTP client does not check."""
    try:
        (URL(url).raw_host or "").encode("idna")
    except UnicodeError:
        return False
    return True


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return "%" not in host
