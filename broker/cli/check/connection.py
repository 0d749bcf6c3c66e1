"""The way to a server, and its clock."""

import re

from msgspec.structs import replace
from yarl import URL

from broker.cli.check.evidence import presented, problem_of
from broker.cli.check.peer import Peer, look, proxy_for
from broker.cli.check.report import ANY, Problem, Step
from broker.cli.check.times import day, length
from broker.core.errors import NetworkError
from broker.core.settings import ClientSettings
from broker.oauth.server_clock import NOISE
from broker.providers.diagnose import clocks_apart

#: In OpenSSL's words.
MISMATCH = re.compile(r"(Hostname|IP address) mismatch")
PROXY_FIX = (
    "Correct the proxy in {source} (host, port, http:// for one that does not speak TLS), or put the CA certificate of"
    " whoever signed its certificate into the file clients.{client}.http.ca_file."
)
COMMON_NAME_CAUSE = (
    "The certificate of {where} has no subjectAltName with a host: its name is in the Common Name only, which does not"
    " count (RFC 9525 section 2)."
)
COMMON_NAME_FIX = "Have whoever runs that server issue a certificate with the host as subjectAltName."


async def connection_step(name: str, settings: ClientSettings, url: str, error: NetworkError | None) -> Step:
    """How the server of `url` is reached, or why not; the certificate is looked at in a connection of its own."""
    target = URL(url)
    where = f"{target.host}:{target.port}"
    proxy = proxy_for(url, settings.http, name)
    facts: dict[str, object] = {"server": where, "proxy": str(proxy) if proxy else None}
    if proxy and proxy.is_at_fault(error):
        peer = await look(str(proxy.url), settings.http, None)
    else:
        peer = await look(url, settings.http, proxy) if error is None or error.fault == "tls" else None
        facts |= _facts(peer)
    if error is None:
        through = f", through the proxy {proxy}" if proxy else ""
        return Step(
            name="connection",
            status="ok",
            detail=f"{_secured(target, peer)} with {where}{through}{_signed(peer)}",
            client=name,
            facts=facts,
        )
    diagnosis = problem_of(error, client=name, settings=settings, token=ANY).diagnosis
    if proxy and proxy.is_at_fault(error):
        diagnosis = replace(diagnosis, fix=PROXY_FIX.format(source=proxy.source, client=name))
    if peer and not peer.names and MISMATCH.search(error.detail):
        diagnosis = replace(diagnosis, cause=COMMON_NAME_CAUSE.format(where=error.where), fix=COMMON_NAME_FIX)
    evidence = presented(peer) | ({"proxy": str(proxy)} if proxy else {})
    return Step(
        name="connection",
        status="failed",
        detail=f"none with {where}",
        client=name,
        facts=facts,
        problem=Problem(diagnosis=diagnosis, evidence=evidence),
    )


def clock_step(name: str, settings: ClientSettings, offset: float | None) -> Step:
    """Build the clock step. `offset` is the server's clock minus ours in seconds; `None` if unknown."""
    if offset is None:
        return Step(name="clock", status="skipped", detail="no answer had a Date to be believed", client=name)
    apart = abs(offset) >= NOISE
    corrected = apart and abs(offset) <= settings.max_clock_offset
    facts = {"offset": round(offset, 1), "corrected": corrected}
    detail = f"ours is {length(abs(offset))} {'behind' if offset > 0 else 'ahead of'} the server's"
    if not apart:
        detail += ", within measuring error"
        return Step(name="clock", status="ok", detail=detail, client=name, facts=facts)
    detail += ", which the broker corrects" if corrected else ", more than the broker corrects"
    return Step(
        name="clock",
        status="warning",
        detail=detail,
        client=name,
        facts=facts,
        problem=Problem(diagnosis=clocks_apart().named(client=name, token=ANY)),
    )


def _facts(peer: Peer | None) -> dict[str, object]:
    if peer is None:
        return {}
    return {
        "tls": peer.tls,
        "certificate": {
            "subject": peer.subject,
            "issuer": peer.issuer,
            "names": list(peer.names),
            "expires": peer.not_after.timestamp(),
        },
    }


def _secured(target: URL, peer: Peer | None) -> str:
    if target.scheme != "https":
        return "plain http"
    return peer.tls if peer and peer.tls else "TLS"


def _signed(peer: Peer | None) -> str:
    return f"; certificate by {peer.issuer}, until {day(peer.not_after)}" if peer else ""
