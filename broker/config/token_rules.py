"""Rules for one token, alone and with its client's provider."""

import re
from collections.abc import Iterator

from broker.config import addresses
from broker.config.complaint import Complaint, broken, each, once, preset
from broker.config.document import Place, dotted
from broker.core.settings import ClientSettings, JwtBearer, TokenSettings
from broker.providers import PRESETS

#: What an answer to a workload says anyway, and what no workload is to have (RFC 6749 section 5.1).
MEMBERS = ("access_token", "token_type", "expires_in", "expires_at", "scope", "refresh_token", "id_token")
MEMBER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
#: RFC 6749 appendix A.4.
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def check(token: TokenSettings, place: Place) -> Iterator[Complaint]:
    """Yield every complaint about `token` alone."""
    yield from each((*place, "scopes"), token.scopes, _scope)
    yield from once((*place, "scopes"), token.scopes)
    yield from each((*place, "resource"), token.resource, addresses.resource)
    yield from each((*place, "extra_fields"), token.extra_fields, _member)
    yield from once((*place, "extra_fields"), token.extra_fields)
    if token.grant != "jwt_bearer" and token.jwt_bearer != JwtBearer():
        yield (*place, "grant"), f"{token.grant} has no use for jwt_bearer; take one of the two out"
    for name in token.parameters:
        if name in token.our_fields:
            yield (*place, "parameters", name), "is sent by the broker itself; take it out"
    ahead = token.refresh.ahead.of(1.0)
    if ahead is not None and ahead <= 0:
        yield (*place, "refresh", "ahead"), "would leave workloads without a token while the next one is fetched"
    if token.assume_lifetime < 1:
        yield (*place, "assume_lifetime"), f"{token.assume_lifetime} is too short; write 1s or more"


def check_provider(token: TokenSettings, client: ClientSettings, place: Place) -> Iterator[Complaint]:
    """Yield complaints about what the client's provider is known to reject."""
    yield from preset(client, _values(token), place)
    if token.grant != "jwt_bearer":
        return
    if client.assertion_file:
        yield from _claims_of_a_file(token, (*place, "jwt_bearer"))
    if token.jwt_bearer.scope_in == "assertion" and token.scopes and "scope" in client.assertion.claims:
        said = ("clients", token.client, "assertion", "claims", "scope")
        yield said, f"is said by the broker itself, from {dotted(place)}.scopes; take it out"


def cautions(token: TokenSettings, client: ClientSettings) -> Iterator[tuple[str, str]]:
    """Keys of the token whose values are permitted and unwise at the client's provider, and why."""
    for rule in broken(PRESETS[client.provider].cautions, client, _values(token)):
        yield rule.key, rule.reason


def _values(token: TokenSettings) -> dict[str, str | None]:
    bearer = token.jwt_bearer if token.grant == "jwt_bearer" else None
    return {
        "grant": token.grant,
        "jwt_bearer.subject": (bearer.subject or "") if bearer else None,
        "jwt_bearer.scope_in": bearer.scope_in if bearer else None,
        "scopes": " ".join(token.scopes),
        "audience": token.audience or "",
        "resource": " ".join(token.resource),
        "assume_lifetime": str(token.assume_lifetime),
    }


def _claims_of_a_file(token: TokenSettings, place: Place) -> Iterator[Complaint]:
    """Reject `jwt_bearer` keys that need an assertion made by the broker."""
    for name in ("issuer", "subject", "scope_in"):
        if getattr(token.jwt_bearer, name) != getattr(JwtBearer(), name):
            yield (
                (*place, name),
                "cannot be said: the assertion comes from the client's assertion_file; say it where that is made",
            )


def _member(name: str) -> str | None:
    if name in MEMBERS:
        return f"{name!r} is handed out, or kept back, by the broker itself; take it out"
    return None if MEMBER.fullmatch(name) else f"{name!r:.80} is no name of a member: letters, digits, '_', '.' and '-'"


def _scope(scope: str) -> str | None:
    if " " in scope:
        return f"{scope!r:.80} holds a space; write each scope as an entry of its own"
    return None if SCOPE.fullmatch(scope) else f"{scope!r:.80} holds a character that RFC 6749 allows in no scope"
