"""An authorization server as a fleet meets it: it grants, refuses above a rate limit, or is out of order.

The limit is of Okta's kind: a counter that starts again every minute, shared by all who use the same client, and a 429
that tells when that will be. What is refused is not counted. Times are seconds.
"""

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

WINDOW = 60.0
#: How long an answer takes: a signature is checked and a token made, or a counter is read.
GRANTING = 0.25
REFUSING = 0.05

#: A token; a 429; no answer, the connection is refused.
Outcome = Literal["granted", "limited", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """From `begins` until before `ends` the limit is `per_minute`; 0: out of order."""

    begins: float
    ends: float
    per_minute: int


@dataclass(frozen=True, slots=True)
class Answer:
    """`took` is from the request to the answer, `wait` what a 429 asks for, as a client reads it."""

    outcome: Outcome
    took: float
    wait: float | None = None


@dataclass(kw_only=True)
class Server:
    """Grants `per_minute` requests in each window, unless a spell says otherwise, for tokens of `lifetime`.

    `concurrent` is how many requests may be worked on at once, `None` for any number. A window begins at `opens`.
    """

    per_minute: int
    spells: Sequence[Spell] = ()
    lifetime: float = 3600.0
    concurrent: int | None = None
    opens: float = 0.0
    _window: int = field(default=-1, init=False)
    _counted: int = field(default=0, init=False)
    _in_work: deque[float] = field(default_factory=deque, init=False)

    def ask(self, at: float) -> Answer:
        """The answer to a request that comes at `at`, which is never before the one asked last."""
        limit = self.limit(at)
        if limit == 0:
            return Answer("failed", REFUSING)
        window = math.floor((at - self.opens) / WINDOW)
        if window != self._window:
            self._window, self._counted = window, 0
        if self._counted >= limit or self._crowded(at):
            # Okta tells the reset, and every server its Date, in whole seconds. At a limit of concurrent requests
            # Okta calls the reset a suggestion; here it is the same.
            reset = self.opens + (window + 1) * WINDOW
            return Answer("limited", REFUSING, wait=float(math.floor(reset) - math.floor(at)))
        self._counted += 1
        if self.concurrent is not None:
            self._in_work.append(at + GRANTING)
        return Answer("granted", GRANTING)

    def limit(self, at: float) -> int:
        """Requests granted per minute at `at`."""
        for spell in self.spells:
            if spell.begins <= at < spell.ends:
                return spell.per_minute
        return self.per_minute

    def _crowded(self, at: float) -> bool:
        if self.concurrent is None:
            return False
        while self._in_work and self._in_work[0] <= at:
            self._in_work.popleft()
        return len(self._in_work) >= self.concurrent
