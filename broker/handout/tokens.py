"""`GET /v1/tokens/{name}`: reads the store, and waits for it when asked to. It never fetches."""

import math
import re
from collections.abc import Callable, Collection
from typing import TypeAlias
from urllib.parse import parse_qsl

import msgspec

from broker.diagnosis import Diagnosis
from broker.durations import Duration
from broker.handout.answers import Form, Problem
from broker.store import Store
from broker.tokens import EXPIRED, Token

#: What a query may hold.
PARAMETERS = ("wait",)
#: The longest `?wait`, in seconds.
MOST_WAIT = 30.0
#: Bounds of `Retry-After`, in seconds.
RETRY_AFTER = (1, 60)

Clock: TypeAlias = Callable[[], float]


class Tokens:
    """What there is to hand out, and what to say when there is nothing."""

    def __init__(
        self,
        names: Collection[str],
        store: Store,
        *,
        failure: Callable[[str], Diagnosis | None],
        next_at: Callable[[str], float | None],
        most_waiting: int,
        now: Clock,
        wall: Clock,
    ) -> None:
        self._names = frozenset(names)
        self._store = store
        self._failure = failure
        self._next_at = next_at
        self._most_waiting = most_waiting
        self._waiting = 0
        self._now = now
        self._wall = wall

    def default(self) -> str | Problem:
        """The name behind `GET /v1/token`: the only one, or `default`."""
        if len(self._names) == 1:
            return next(iter(self._names))
        if "default" in self._names:
            return "default"
        return self._unknown("There are several tokens and none is called default; ask by name")

    async def find(self, name: str, query: str) -> Token | Problem:
        """The usable token `name`, after waiting as long as `query` says."""
        parameters = parse_query(query) if query else {}
        if isinstance(parameters, Problem):
            return parameters
        wait = parse_wait(parameters["wait"]) if "wait" in parameters else 0.0
        if isinstance(wait, Problem):
            return wait
        if name not in self._names:
            return self._unknown("There is no such token")
        token = self._store.get(name)
        if not token and wait:
            token = await self._wait(name, wait)
        return token or self._unavailable(name)

    async def _wait(self, name: str, seconds: float) -> Token | None:
        if self._waiting >= self._most_waiting:
            return None
        self._waiting += 1
        try:
            return await self._store.wait(name, seconds)
        finally:
            self._waiting -= 1

    def _unknown(self, why: str) -> Problem:
        return Problem(404, "unknown_token", f"{why}. Configured: {', '.join(sorted(self._names))}.")

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

    def encode(self, form: Form, token: Token) -> bytes:
        """The answer's body (RFC 6749 section 5.1): with what is left of the lifetime now, or the bare token."""
        if form == "text":
            return token.access_token.encode()
        left = token.expires_at - self._now()
        return msgspec.json.encode(
            {
                "access_token": token.access_token,
                "token_type": token.token_type,
                "expires_in": max(1, math.floor(left)),
                "expires_at": math.floor(self._wall() + left),
                "scope": token.scope,
            }
        )


def parse_query(query: str) -> dict[str, str] | Problem:
    """The parameters, each known and given once; a Problem names the first that is not."""
    parameters: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in PARAMETERS:
            return _invalid(f"Unknown query parameter: {_safe(name)}. Known: {', '.join(PARAMETERS)}")
        if name in parameters:
            return _invalid(f"The query parameter {name} is given twice")
        parameters[name] = value
    return parameters


def parse_wait(text: str) -> float | Problem:
    """Seconds of `?wait`."""
    try:
        seconds = Duration.parse(text)
    except ValueError:
        return _invalid("The query parameter wait is a duration like 5s")
    return seconds if seconds <= MOST_WAIT else _invalid(f"The query parameter wait is at most {MOST_WAIT:g}s")


def _invalid(description: str) -> Problem:
    return Problem(400, "invalid_request", f"{description}.")


def _safe(name: str) -> str:
    """The name of a parameter, if it looks like one: no place to reflect what a stranger wrote."""
    return name if re.fullmatch(r"[a-z][a-z_]{0,30}", name) else "(not a name)"
