"""Rules for one client."""

from collections.abc import Iterator

import msgspec

from broker.config import addresses, presets
from broker.config.complaint import Complaint, each, once, preset
from broker.config.document import Place
from broker.config.unknown import nearest
from broker.core.durations import Duration
from broker.core.settings import ALGORITHMS, RESERVED_CLAIMS, Assertion, ClientSettings, Http
from broker.providers import PRESETS

MIN_ASSERTION = 10.0
#: Default where the provider sets no limit.
MAX_ASSERTION = 86400.0
AUDIENCES = ("token_endpoint", "issuer")


def check(client: ClientSettings, place: Place) -> Iterator[Complaint]:
    """Yield every complaint about `client`."""
    yield from _server(client, place)
    yield from _credential(client, place)
    yield from _keys(client, place)
    yield from _assertion(client, (*place, "assertion"))
    yield from _dpop(client, (*place, "dpop"))
    yield from _http(client.http, (*place, "http"))
    values = {
        "issuer": client.issuer,
        "client_id": client.client_id,
        "send_client_id": str(client.send_client_id).lower(),
        "assertion.audience": client.assertion.audience,
        "assertion.typ": client.assertion.typ,
        "assertion.claims": " ".join(client.assertion.claims),
    }
    yield from preset(client, values, place)


def _server(client: ClientSettings, place: Place) -> Iterator[Complaint]:
    if not client.issuer and not client.token_endpoint:
        yield (*place, "issuer"), "is missing; write the server's issuer, or else its token_endpoint"
    for key, url, fault in (
        ("issuer", client.issuer, addresses.issuer),
        ("token_endpoint", client.token_endpoint, addresses.endpoint),
    ):
        if url is None:
            continue
        if wrong := fault(url):
            yield (*place, key), wrong
        elif addresses.insecure(url) and not client.allow_http:
            yield (*place, key), "is plain http, which can be read on the way; use https, or write allow_http: true"


def _credential(client: ClientSettings, place: Place) -> Iterator[Complaint]:
    """Require either private keys or an externally made assertion."""
    if not client.private_keys and not client.assertion_file:
        yield (*place, "private_key"), "is missing; write private_key: {file: …}, or else an assertion_file"
    if not client.assertion_file:
        return
    if client.private_keys:
        yield (*place, "assertion_file"), "is written beside a private key; keep one of the two"
    said = {key: getattr(client, key) for key in ("issuer", "token_endpoint", "assertion_file")}
    usual = presets.complete_client(said, PRESETS[client.provider])["assertion"]
    for field in msgspec.structs.fields(Assertion):
        if getattr(client.assertion, field.name) != usual.get(field.name, _default(field)):
            yield (
                (*place, "assertion", field.name),
                "is for an assertion that the broker makes, and this one comes from assertion_file; take it out",
            )


def _default(field: msgspec.structs.FieldInfo) -> object:
    return field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()


def _keys(client: ClientSettings, place: Place) -> Iterator[Complaint]:
    for algorithm in client.algorithms:
        if wrong := _algorithm(algorithm, client, ALGORITHMS):
            yield (*place, "algorithms"), wrong
    yield from once((*place, "algorithms"), client.algorithms)
    for position, key in enumerate(client.private_keys):
        here = (*place, "private_keys", position)
        if key.kid and key.kid_file:
            yield (*here, "kid_file"), "is written beside kid; keep one of the two"
        if key.algorithm and (wrong := _algorithm(key.algorithm, client, client.algorithms or ALGORITHMS)):
            yield (*here, "algorithm"), wrong
        yield from preset(client, {"certificate_file": key.certificate_file or ""}, here)


def _algorithm(algorithm: str, client: ClientSettings, listed: tuple[str, ...]) -> str | None:
    provider = PRESETS[client.provider]
    taken = provider.client.get("algorithms", ALGORITHMS)
    if algorithm not in ALGORITHMS:
        return f"{algorithm!r:.40} is no algorithm for private keys; there are {', '.join(ALGORITHMS)}"
    if algorithm not in taken:
        return f"{provider.title} refuses {algorithm}; it takes {', '.join(taken)}"
    return None if algorithm in listed else f"{algorithm} is not among this client's algorithms, {', '.join(listed)}"


def _assertion(client: ClientSettings, place: Place) -> Iterator[Complaint]:
    assertion, provider = client.assertion, PRESETS[client.provider]
    if assertion.audience == "issuer" and not client.issuer:
        yield (*place, "audience"), "is to be the issuer, and there is none; write issuer beside token_endpoint"
    if assertion.audience not in AUDIENCES and (meant := nearest(assertion.audience, AUDIENCES)):
        yield (*place, "audience"), f"{assertion.audience!r:.80} would be sent as it stands{meant}"
    if assertion.lifetime < MIN_ASSERTION:
        yield (*place, "lifetime"), f"{assertion.lifetime} is too short for the way to the server; write 10s or more"
    longest = Duration(provider.max_lifetime or MAX_ASSERTION)
    if assertion.lifetime > longest:
        who = f"{provider.title} takes" if provider.max_lifetime else "an assertion is sent at once; it may live"
        yield (*place, "lifetime"), f"{who} {longest} at most, not {assertion.lifetime}"
    for claim in assertion.claims:
        if claim in RESERVED_CLAIMS:
            yield (*place, "claims", claim), "is said by the broker itself; take it out"


def _dpop(client: ClientSettings, place: Place) -> Iterator[Complaint]:
    if client.dpop is None:
        return
    yield from each((*place, "targets"), client.dpop.targets, addresses.target)
    yield from once((*place, "targets"), client.dpop.targets)
    if not client.dpop.targets:
        yield (
            (*place, "targets"),
            (
                "is missing: a workload asks for a proof for each of its requests; write the origins of the APIs that"
                " the tokens are for, like [https://api.example.com]"
            ),
        )


def _http(http: Http, place: Place) -> Iterator[Complaint]:
    for key, seconds in (("timeout", http.timeout), ("connect_timeout", http.connect_timeout)):
        if seconds <= 0:
            yield (*place, key), f"{seconds} leaves no time for a request"
    if 0 < http.timeout < http.connect_timeout:
        yield (*place, "connect_timeout"), f"{http.connect_timeout} is longer than timeout, {http.timeout}"
    if http.proxy and (wrong := addresses.proxy(http.proxy)):
        yield (*place, "proxy"), wrong
    elif http.proxy_password_file and not addresses.proxy_user(http.proxy):
        yield (
            (*place, "proxy_password_file"),
            "needs a proxy that names the user, like http://user@proxy.example.com:3128",
        )
