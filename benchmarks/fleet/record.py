"""What is kept of a simulation: what the server sees, second by second, and what workloads feel."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import msgspec

from benchmarks.fleet.server import Outcome

OUTCOMES: tuple[Outcome, ...] = ("granted", "limited", "failed")
MINUTE, HOUR = 60, 3600


class Hour(msgspec.Struct, frozen=True):
    """Requests per minute, the mean of an hour and its highest minute, and requests in its highest second."""

    mean: float
    peak: int
    peak_second: int


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """A simulation in numbers, from `since` on. Times are seconds, but for `missed` and `cleared`: minutes.

    `wait_*` is from the start of a pod to its first token. A pod that held a token once and has none that is usable
    misses one: `missed` sums that over pods and time. `least_left` is the shortest time that a token had left when it
    was replaced, negative when it had run out. `back` is how many seconds after the trouble was `over` the last pod had
    a token again of those that missed one then. `cleared` is how many minutes after the trouble was `over` the first
    one without a 429 began; `limited_later` counts the 429s after that.
    """

    requests: int
    granted: int
    limited: int
    failed: int
    peak_minute: int
    peak_second: int
    wait_median: float
    wait_p99: float
    wait_longest: float
    missed: float
    missed_pods: int
    missed_longest: float
    back: float
    least_left: float
    cleared: int
    limited_later: int
    hours: list[Hour]


@dataclass
class Record:
    """`seconds` long, whole minutes. Requests are counted by the second in which they came."""

    seconds: int
    requests: dict[Outcome, list[int]] = field(init=False)
    #: When a pod started and how long it waited for its first token.
    waits: list[tuple[float, float]] = field(default_factory=list)
    #: When a token was replaced and how long the old one would still have been usable.
    renewals: list[tuple[float, float]] = field(default_factory=list)
    #: From when until when a pod missed a token.
    gaps: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.requests = {outcome: [0] * self.seconds for outcome in OUTCOMES}

    def asked(self, at: float, outcome: Outcome) -> None:
        """A request came at `at`."""
        self.requests[outcome][int(at)] += 1

    def per_minute(self, *outcomes: Outcome) -> list[int]:
        """Requests by the minute, of these outcomes, or of all when none is named."""
        return _sums([self.requests[outcome] for outcome in outcomes or OUTCOMES], MINUTE)

    def served(self, step: int) -> list[int]:
        """How many pods have had a first token, every `step` seconds."""
        return self._level(step, ((began + waited, math.inf) for began, waited in self.waits))

    def missing(self, step: int) -> list[int]:
        """How many pods miss a token, every `step` seconds."""
        return self._level(step, self.gaps)

    def tightest(self) -> list[float]:
        """By the minute, the shortest time that a token had left when it was replaced; `nan` when none was."""
        least = [math.nan] * (self.seconds // MINUTE)
        for at, left in self.renewals:
            if (minute := int(at // MINUTE)) < len(least) and not left >= least[minute]:
                least[minute] = left
        return least

    def figures(self, *, since: int = 0, over: int = 0) -> Figures:
        """Both on whole minutes."""
        counted = {outcome: counts[since:] for outcome, counts in self.requests.items()}
        minutes, seconds = _sums(counted.values(), MINUTE), _sums(counted.values(), 1)
        waits = sorted(waited for began, waited in self.waits if began >= since)
        gaps = [ends - begins for begins, ends in self.gaps if begins >= since]
        back = max((ends - over for begins, ends in self.gaps if since <= begins < over), default=0.0)
        limited = _sums([self.requests["limited"][over:]], MINUTE)
        cleared = limited.index(0)
        return Figures(
            requests=sum(minutes),
            granted=sum(counted["granted"]),
            limited=sum(counted["limited"]),
            failed=sum(counted["failed"]),
            peak_minute=max(minutes),
            peak_second=max(seconds),
            wait_median=_rank(waits, 0.5),
            wait_p99=_rank(waits, 0.99),
            wait_longest=_rank(waits, 1.0),
            missed=round(sum(gaps) / MINUTE, 1),
            missed_pods=len(gaps),
            missed_longest=round(max(gaps, default=0.0), 1),
            back=round(max(back, 0.0), 1),
            least_left=round(min((left for at, left in self.renewals if at >= since), default=0.0), 1),
            cleared=cleared,
            limited_later=sum(limited[cleared:]),
            hours=[
                Hour(round(sum(hour) / len(hour), 1), max(hour), max(seconds[60 * first : 60 * first + HOUR]))
                for hour, first in ((minutes[first : first + 60], first) for first in range(0, len(minutes), 60))
            ],
        )

    def _level(self, step: int, stretches: Iterable[tuple[float, float]]) -> list[int]:
        """In how many stretches each `step`-th second lies."""
        changes = [0] * (self.seconds // step + 1)
        for begins, ends in stretches:
            for at, change in ((begins, 1), (ends, -1)):
                if at <= self.seconds:
                    changes[math.ceil(at / step)] += change
        level, levels = 0, []
        for change in changes:
            level += change
            levels.append(level)
        return levels


def _sums(counts: Iterable[Sequence[int]], size: int) -> list[int]:
    total = [sum(second) for second in zip(*counts, strict=True)]
    return [sum(total[first : first + size]) for first in range(0, len(total), size)]


def _rank(ordered: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed; 0 of none."""
    return round(ordered[math.ceil(share * len(ordered)) - 1], 1) if ordered else 0.0
