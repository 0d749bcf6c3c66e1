"""What there is to hand out, and what to say when there is nothing."""

import math
from collections.abc import Callable, Collection, Iterable
from typing import Final, TypeAlias

import msgspec

from broker.core.diagnosis import Diagnosis
from broker.core.tokens import EXPIRED, Token
from broker.refresh.store import Store
from broker.workload_api.answers import Form, Problem
from broker.workload_api.first_token import FirstToken

#: The token that needs no name, where there are several.
DEFAULT: Final = "default"
#: Bounds of `Retry-After`, in seconds.
RETRY_AFTER: Final = (1, 60)

Clock: TypeAlias = Callable[[], float]


class Tokens:
    """The configured tokens, as both faces of the hand-out see them."""

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
        #: The token meant by who names none: the only one, or the one called `default`; `None` when there is neither.
        self.default = only if only in self._names else None

    def __contains__(self, name: object) -> bool:
        return name in self._names

    async def obtain(self, name: str, wait: float | None = None) -> Token | Problem:
        """The usable token `name`, which is configured; one that is absent is waited for (`wait` is `?wait`)."""
        return await self._first.get(name, wait) or self._unavailable(name)

    def find(self, name: str) -> Token | Problem:
        """The usable token `name`, which is configured."""
        return self._store.get(name) or self._unavailable(name)

    def _unavailable(self, name: str) -> Problem:
        """Never the authorization server's own status: a 401 there is none of the workload's making."""
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
        """Seconds until the authorization server stops accepting it."""
        return token.expires_at - self._now()

    def encode(self, form: Form, token: Token) -> bytes:
        """The answer's body (RFC 6749 section 5.1): with what is left of the lifetime now, or the bare token.

        Of the authorization server's further members none stands in the place of one that the broker says.
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
        for name, value in token.extra.items():  # as a rule there are none
            members.setdefault(name, value)
        return msgspec.json.encode(members)


def may_be_answered(form: Form, token: Token) -> bool:
    """Whether `form` fits: a bare token would be sent as Bearer, which a DPoP token is bound to a key against."""
    return form == "json" or token.token_type == "Bearer"  # noqa: S105 - no password


def unknown(why: str, permitted: Iterable[str]) -> Problem:
    """A 404 with the names that this caller may use."""
    names = ", ".join(permitted)
    rest = f"You may ask for: {names}." if names else "None is open to who sends no caller's secret."
    return Problem(404, "unknown_token", f"{why}. {rest}")
