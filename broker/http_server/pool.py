"""The connections of one listen address: how many there may be, which are closed when there are more.

When a pool is full, a new connection is admitted all the same, as one of a surplus, and `victims` chooses what to close
instead. A connection that is younger than `YOUNG`, or that the event loop has had no chance to read, is never chosen:
otherwise a burst of silent connections would evict a probe whose request has arrived but has not been read.
"""

import asyncio
import math
from collections import Counter
from collections.abc import Collection, Hashable
from enum import IntEnum
from typing import Protocol

#: Seconds for which a new connection is not evicted.
YOUNG = 0.25
#: Connections above the limit while none of the others may be evicted. At 2,000 new ones a second 500 are young.
SURPLUS = 1024
#: Seconds between two evictions, while there are too many connections.
PERIOD = 0.05
#: Turns of the event loop after which what had arrived before has been read, on asyncio and on uvloop.
TURNS = 3


class Standing(IntEnum):
    """What may be evicted, first things first."""

    IDLE = 0
    UNFINISHED = 1
    SLOW_READER = 2


class Member(Protocol):
    """A connection, as a pool sees it."""

    #: When it was made (seconds of the loop's clock), and who made it: an address, a user, or nobody in particular.
    made: float
    source: Hashable
    #: Bytes of memory that it takes beside its own.
    owed: int

    def standing(self) -> tuple[Standing, float] | None:
        """Its class and since when; `None` while a request is being answered."""

    def evict(self) -> None:
        """Close it, count it, and leave the pool."""


def victims(members: Collection[Member], *, limit: int, per_source: int | None, made_before: float) -> list[Member]:
    """The members to evict, so that `limit` and `per_source` hold as far as they can.

    First those of sources above `per_source`, then those of sources with more than their share of the limit, then any.
    """
    held = Counter(member.source for member in members)
    excess = len(members) - limit
    share = limit // max(1, len(held))
    ranked = [
        (*standing, position, member)
        for position, member in enumerate(members)
        if member.made < made_before and (standing := member.standing())
    ]
    ranked.sort(key=lambda one: one[:3])
    chosen: list[Member] = []
    for bound, only_excess in ((per_source, False), (share, True), (0, True)):
        if bound is None:
            continue
        left = []
        for one in ranked:
            member = one[-1]
            if held[member.source] > bound and not (only_excess and len(chosen) >= excess):
                held[member.source] -= 1
                chosen.append(member)
            else:
                left.append(one)
        ranked = left
    return chosen


class Pool:
    """The members, at most `limit` of them but for a surplus of young ones, `ceiling` in all.

    `per_source` bounds those of one source. Without `by_source` all members have the same.
    """

    def __init__(self, limit: int, *, ceiling: int, per_source: int | None = None, by_source: bool = False) -> None:
        self.by_source = by_source
        self.members: dict[Member, None] = {}
        self._limit = limit
        self._ceiling = ceiling
        self._per_source = per_source
        self._held: Counter[Hashable] = Counter()
        self._scheduled = False

    def admit(self, member: Member, loop: asyncio.AbstractEventLoop) -> bool:
        """Whether there is room; if so, `member` is in."""
        held = self._held[member.source]
        # One source leaves a part of the surplus to the others.
        full = len(self.members) >= self._ceiling or (self.by_source and held >= self._ceiling * 3 // 4)
        if full:
            return False
        self.members[member] = None
        self._held[member.source] = held + 1
        if not self._scheduled and self._is_over(held + 1):
            self._schedule(loop)
        return True

    def discard(self, member: Member) -> None:
        """Forget `member`, which may be out already."""
        if member in self.members:
            del self.members[member]
            self._held[member.source] -= 1
            if not self._held[member.source]:
                del self._held[member.source]

    def _is_over(self, held: int) -> bool:
        return len(self.members) > self._limit or (self._per_source is not None and held > self._per_source)

    def _schedule(self, loop: asyncio.AbstractEventLoop) -> None:
        self._scheduled = True
        loop.call_later(PERIOD, self._wait_for_reads, loop, loop.time() + PERIOD, TURNS)

    def _wait_for_reads(self, loop: asyncio.AbstractEventLoop, made_before: float, turns: int) -> None:
        """Evict once everything that had arrived at `made_before` has been read."""
        if turns:
            loop.call_soon(self._wait_for_reads, loop, made_before, turns - 1)
            return
        made_before = min(made_before, loop.time() - YOUNG)
        for member in victims(self.members, limit=self._limit, per_source=self._per_source, made_before=made_before):
            member.evict()
        self._scheduled = False
        if self._is_over(max(self._held.values(), default=0)):
            self._schedule(loop)


class ByteBudget:
    """Bounds the memory that all connections of a listener owe together.

    When it is exceeded, those that owe most are evicted, whatever they do, until an eighth of it is free.
    """

    def __init__(self, limit: int, pools: Collection[Pool]) -> None:
        self._limit = limit
        self._pools = pools
        self._owed = 0

    def charge(self, amount: int) -> None:
        """Add `amount` bytes, or take them off when it is negative."""
        self._owed += amount
        if amount > 0 and self._owed > self._limit:
            self._relieve()

    def _relieve(self) -> None:
        members = [member for pool in self._pools for member in pool.members if member.owed]
        for member in sorted(members, key=_by_memory):
            if self._owed <= self._limit * 7 // 8:
                return
            member.evict()  # which takes off what it owes


def _by_memory(member: Member) -> tuple[int, float]:
    """Most first; of about as much the oldest, so that a scrape just begun outlives those that nobody reads."""
    standing = member.standing()
    return -member.owed.bit_length(), standing[1] if standing else math.inf
