"""The tokens to serve, and the error when one is unavailable."""

import math
from collections.abc import Callable, Collection, Iterable
from typing import Final, TypeAlias

import msgspec

from broker.core.diagnosis import Diagnosis
from broker.core.tokens import EXPIRED, Token
from broker.refresh.store import Store
from broker.workload_api.answers import Form, Problem
from broker.workload_api.first_token import FirstToken

#: Name of the token that `/v1/token` serves if several are configured.
DEFAULT: Final = "default"
#: Bounds of `Retry-After`, in seconds.
RETRY_AFTER: Final = (1, 60)

Clock: TypeAlias = Callable[[], float]


class Tokens:
    """The configured tokens, shared by the `/v1` routes and the OAuth endpoint.

    `failure`: the diagnosis of a token's last attempt, `None` after a success.
    `next_at`: when a token's next attempt is due, by `now`.
    """

    def __init__(
        self,
        names: Collection[str],
        store: Store,
        first: FirstToken,
        *,
        failure: Callable[[str], Diagnosis | None],
        next_at: Callable[[str], float | None],
        now: Clock,
        wall: Clock,
    ) -> None:
        self._names = frozenset(names)
        self._store = store
        self._first = first
        self._failure = failure
        self._next_at = next_at
        self._now = now
        self._wall = wall
        only = next(iter(names)) if len(names) == 1 else DEFAULT
        #: The token for requests that name none: the only one, or the one called `default`; otherwise `None`.
        self.default = only if only in self._names else None

    def __contains__(self, name: object) -> bool:
        return name in self._names

    async def obtain(self, name: str, wait: float | None = None) -> Token | Problem:
        """The usable token `name`, which must be configured; waits up to `wait` seconds (`?wait`) if it is absent."""
        return await self._first.get(name, wait) or self._unavailable(name)

    def find(self, name: str) -> Token | Problem:
        """The usable token `name`, which must be configured, without waiting."""
        return self._store.get(name) or self._unavailable(name)

    def _unavailable(self, name: str) -> Problem:
        """A 503 whatever status the authorization server sent: its 401 concerns the broker, not the workload."""
        least, most = RETRY_AFTER
        seconds = math.ceil((self._next_at(name) or 0.0) - self._now())
        headers = {"Retry-After": str(min(max(seconds, least), most))}
        reason: str
        if diagnosis := self._failure(name):
            why, reason, hint = diagnosis.cause, diagnosis.reason, diagnosis.fix
        elif self._store.held(name):
            why, reason, hint = "It ran out and is being replaced.", EXPIRED, "Ask again, or add ?wait=5s."
        else:
            why, reason, hint = "The first one is being fetched.", "starting", "Ask again, or add ?wait=5s."
        description = f"There is no valid token {name} now. {why}"
        return Problem(503, "temporarily_unavailable", description, reason=reason, hint=hint, headers=headers)

    def left(self, token: Token) -> float:
        """Seconds until `token` expires."""
        return token.expires_at - self._now()

    def encode(self, form: Form, token: Token) -> bytes:
        """The response body (RFC 6749 section 5.1) with the remaining lifetime, or only the token as plain text.

        Extra members of the authorization server's response never override the broker's.
        """
        if form == "text":
            return token.access_token.encode()
        left = self.left(token)
        members: dict[str, object] = {
            "access_token": token.access_token,
            "token_type": token.token_type,
            "expires_in": max(1, math.floor(left)),
            "expires_at": math.floor(self._wall() + left),
            "scope": token.scope,
        }
        for name, value in token.extra.items():  # usually none
            members.setdefault(name, value)
        return msgspec.json.encode(members)


def may_be_answered(form: Form, token: Token) -> bool:
    """Whether `form` suits `token`: clients would send a plain-text token as Bearer, so a DPoP token needs JSON."""
    return form == "json" or token.token_type == "Bearer"  # noqa: S105 - no password


def unknown_token(why: str, permitted: Iterable[str]) -> Problem:
    """A 404 that lists the tokens this caller may use."""
    names = ", ".join(permitted)
    rest = f"You may ask for: {names}." if names else "None is open to who sends no caller's secret."
    return Problem(404, "unknown_token", f"{why}. {rest}")
