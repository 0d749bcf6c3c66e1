"""What must hold within one token, and between it and its client's provider."""

import re
from collections.abc import Iterator

from broker.config import addresses
from broker.config.complaint import Complaint, each, once, preset
from broker.config.document import Place
from broker.settings import ClientSettings, TokenSettings

#: RFC 6749 appendix A.4.
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def check(token: TokenSettings, place: Place) -> Iterator[Complaint]:
    """Everything that is wrong with `token` by itself."""
    yield from each((*place, "scopes"), token.scopes, _scope)
    yield from once((*place, "scopes"), token.scopes)
    yield from each((*place, "resource"), token.resource, addresses.resource)
    for name in token.parameters:
        if name in token.our_fields:
            yield (*place, "parameters", name), "is sent by the broker itself; take it out"
    ahead = token.refresh.ahead.of(1.0)
    if ahead is not None and ahead <= 0:
        yield (*place, "refresh", "ahead"), "would leave workloads without a token while the next one is fetched"
    if token.assume_lifetime < 1:
        yield (*place, "assume_lifetime"), f"{token.assume_lifetime} is too short; write 1s or more"


def check_provider(token: TokenSettings, client: ClientSettings, place: Place) -> Iterator[Complaint]:
    """What the client's provider is known to refuse."""
    yield from preset(client, {"scopes": " ".join(token.scopes), "audience": token.audience or ""}, place)


def _scope(scope: str) -> str | None:
    if " " in scope:
        return f"{scope!r:.80} holds a space; write each scope as an entry of its own"
    return None if SCOPE.fullmatch(scope) else f"{scope!r:.80} holds a character that RFC 6749 allows in no scope"
