"""Probing attempts: after a fault of its server a client tries again soon, while a workload waits for a token."""

import math
from collections.abc import Callable
from typing import Protocol

from broker.refresh.schedule import MIN_PROBE


class Member(Protocol):
    """One token of the client: a `Refresher`."""

    def reconsider(self) -> None:
        """Compute again when the next attempt is due."""

    def server_recovered(self) -> None:
        """Retry soon: another token of the client was granted after a fault."""


class Probing:
    """When a client may make its next probing attempt: one at a time for all of its tokens.

    Each failed attempt postpones the next probe. A rate limit stops probing until the next fault: the server is up and
    asks for fewer requests. `now` is the boot-time clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._members: list[Member] = []
        self._in_flight: set[Member] = set()
        self._at = math.inf
        self._away_until = -math.inf
        #: When a token was last granted after a fault.
        self.recovered_at = -math.inf

    def add(self, member: Member) -> None:
        """Include another token of the client."""
        self._members.append(member)

    @property
    def at(self) -> float:
        """The earliest time of the next probe; infinity without a reason for one, or while one is in flight."""
        return math.inf if self._in_flight else self._at

    def soonest(self, failed_at: float) -> float:
        """When a server that has recovered may be asked again for a token whose attempt failed at `failed_at`."""
        return max(failed_at + MIN_PROBE, self._away_until)

    def begin(self, member: Member) -> None:
        """Start a probe; `failed` or `succeeded` ends it."""
        self._in_flight.add(member)

    def failed(self, member: Member, *, pause: float, retry_after: float, limited: bool) -> None:
        """Allow the next probe after `pause` seconds and no sooner than any `Retry-After`; none if `limited`."""
        self._in_flight.discard(member)
        now = self._now()
        self._away_until = max(self._away_until, now + retry_after)
        self._at = math.inf if limited else max(now + pause, self._away_until)
        for other in self._members:
            if other is not member:
                other.reconsider()

    def succeeded(self, member: Member, *, after_fault: bool) -> None:
        """Wake the other tokens if the server has just recovered."""
        self._in_flight.discard(member)
        if after_fault:
            self.recovered_at = self._now()
            for other in self._members:
                if other is not member:
                    other.server_recovered()
