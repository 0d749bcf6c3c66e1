"""Who asks: the sidecar as it is, and a client as it is often written, to compare it with."""

import math
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Protocol

from benchmarks.fleet.record import Record
from benchmarks.fleet.server import Answer, Server
from broker.core.diagnosis import Act, Diagnosis
from broker.core.errors import NetworkError, RefusalError
from broker.core.events import Event
from broker.core.settings import TokenSettings
from broker.core.tokens import Token
from broker.refresh.refresher import Refresher
from broker.refresh.schedule import LIMIT_MARGIN, LIMIT_SPREAD, MAX_LIMIT
from broker.refresh.store import Store

SETTINGS = TokenSettings(client="fleet")


class Asked(Protocol):
    """What a client needs of a server: the answer to a request that comes at a time."""

    lifetime: float

    def ask(self, at: float) -> Answer:
        """See `Server.ask`."""


class Client(Protocol):
    """One pod's client of the server, with one token."""

    def attempt(self, at: float) -> float:
        """Ask at `at`; when to ask next, in seconds of the simulation."""

    def ends(self, at: float) -> None:
        """The pod is gone, or the simulation over."""


#: Makes the client of a pod, from the server, the record, what draws uniformly from [0, 1), and when the pod starts.
Make = Callable[[Server, Record, Callable[[], float], float], Client]


class Tokens:
    """What one pod's workload has: tells the record how long it waited, how tight it was, and what it missed."""

    def __init__(self, record: Record, began: float) -> None:
        self._record = record
        self._began = began
        self._until: float | None = None

    def came(self, token: Token, at: float) -> None:
        """A token came at `at`."""
        if self._until is None:
            self._record.waits.append((self._began, at - self._began))
        else:
            self._record.renewals.append((at, self._until - at))
            self.ended(at)
        self._until = token.usable_until

    def ended(self, at: float) -> None:
        """What was held until now is not looked at any more."""
        if self._until is not None and self._until < at:
            self._record.gaps.append((self._until, at))


def _granted(server: Asked, at: float) -> Token:
    return Token(access_token="t", token_type="Bearer", scope="", issued_at=at, lifetime=server.lifetime)  # noqa: S106 - no secret


class Sidecar:
    """The product's own refresher, with its store, diagnosis and schedule; only its sleep is the simulation's.

    Its workload asks all the time, so an absent token is always wanted.
    """

    refreshes: ClassVar[type[Refresher]] = Refresher
    demand = True

    def __init__(self, server: Asked, record: Record, draw: Callable[[], float], began: float) -> None:
        self._server = server
        self._record = record
        self._time = began
        self._tokens = Tokens(record, began)
        self._store = Store(["t"], self._now)
        self.refresher = self.refreshes(
            "t", SETTINGS, fetch=self._fetch, store=self._store, now=self._now, draw=draw, observe=_unheard
        )

    def attempt(self, at: float) -> float:
        """One turn of `Refresher.run`, without the rest, or the workload's first request after an expiry."""
        self._time = at
        if at >= self.refresher.due_at:
            _finish(self.refresher.refresh())
            if self.refresher.failure is None and (token := self._store.get("t")):
                self._tokens.came(token, self._time)
        if not self.demand:
            return self.refresher.due_at
        if token := self._store.get("t"):
            return min(self.refresher.due_at, token.usable_until)
        self.refresher.want(math.inf)
        return max(self.refresher.due_at, self._time)

    def ends(self, at: float) -> None:
        """See `Client`."""
        self._tokens.ended(at)

    def _now(self) -> float:
        return self._time

    async def _fetch(self, _settings: TokenSettings) -> Token:
        at = self._time
        answer = self._server.ask(at)
        self._record.asked(at, answer.outcome)
        self._time = at + answer.took
        if answer.outcome == "limited":
            raise RefusalError(429, "", "", retry_after=answer.wait)
        if answer.outcome == "failed":
            raise NetworkError("connect", "server", "refused")
        return _granted(self._server, at)


class FormerRefresher(Refresher):
    """Holders of a token waited at most a minute longer than a 429 said, as those without one do."""

    def _pause(self, diagnosis: Diagnosis, left: float, draw: float) -> float:
        if diagnosis.act is not Act.LIMIT or left <= 0:
            return super()._pause(diagnosis, left, draw)
        asked = diagnosis.wait or 0.0
        soonest = asked + LIMIT_MARGIN
        spread = 5.0 if asked >= left / 2 else min(LIMIT_SPREAD, max(0.0, left / 2 - soonest))
        return min(soonest + draw * spread, MAX_LIMIT)


class Former(Sidecar):
    """The sidecar before it probed: it retried faults without regard to demand."""

    refreshes = FormerRefresher
    demand = False


class Plain:
    """Refreshes at 80 % of the lifetime, comes back when a limit is reset, and every 5 s to a server in trouble."""

    def __init__(self, server: Asked, record: Record, _draw: Callable[[], float], began: float) -> None:
        self._server = server
        self._record = record
        self._tokens = Tokens(record, began)

    def attempt(self, at: float) -> float:
        """See `Client`."""
        answer = self._server.ask(at)
        self._record.asked(at, answer.outcome)
        if answer.outcome != "granted":
            return at + answer.took + (5.0 if answer.wait is None else answer.wait + 1.0)
        self._tokens.came(_granted(self._server, at), at + answer.took)
        return at + 0.8 * self._server.lifetime

    def ends(self, at: float) -> None:
        """See `Client`."""
        self._tokens.ended(at)


def _unheard(_event: Event) -> None:
    pass


def _finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run what never has to wait, without an event loop."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise AssertionError("an attempt waited for something that the simulation does not have")
