"""Which connections are closed when there are too many, or when they take too much memory."""

import asyncio
import math
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.http_server.pool import SURPLUS, YOUNG, ByteBudget, Member, Pool, Standing, victims

CHANCE = 100.0


@dataclass(eq=False)
class Peer:
    """A connection that stands where a test puts it."""

    made: float = 0.0
    source: Hashable = None
    place: tuple[Standing, float] | None = (Standing.IDLE, 0.0)
    owed: int = 0
    pool: Pool | None = None
    budget: ByteBudget | None = None
    evicted: bool = field(default=False)

    def standing(self) -> tuple[Standing, float] | None:
        return self.place

    def evict(self) -> None:
        self.evicted = True
        if self.pool:
            self.pool.discard(self)
        if self.budget:
            self.budget.charge(-self.owed)


PLACES = st.none() | st.tuples(st.sampled_from(Standing), st.floats(0, 99))
PEERS = st.lists(
    st.builds(Peer, made=st.floats(0, 2 * CHANCE), source=st.sampled_from("abc"), place=PLACES), max_size=30
)
BOUNDS = st.integers(1, 30)


def chosen(peers: list[Peer], *, limit: int, per_source: int | None = None) -> list[Member]:
    return victims(peers, limit=limit, per_source=per_source, made_before=CHANCE)


@given(PEERS, BOUNDS, st.none() | BOUNDS)
def test_busy_and_young_connections_are_never_chosen(peers: list[Peer], limit: int, per_source: int | None) -> None:
    for one in chosen(peers, limit=limit, per_source=per_source):
        assert one.standing() is not None
        assert one.made < CHANCE


@given(PEERS, BOUNDS)
def test_no_more_are_chosen_than_are_too_many(peers: list[Peer], limit: int) -> None:
    evictable = [peer for peer in peers if peer.place and peer.made < CHANCE]
    assert len(chosen(peers, limit=limit)) == min(len(evictable), max(0, len(peers) - limit))


@given(PEERS, BOUNDS)
def test_one_source_loses_its_idle_connections_first_then_the_oldest(peers: list[Peer], limit: int) -> None:
    for peer in peers:
        peer.source = None
    out = chosen(peers, limit=limit)
    kept = [peer for peer in peers if peer not in out and peer.place and peer.made < CHANCE]
    order = [one.standing() or (Standing.IDLE, math.nan) for one in out]
    assert order == sorted(order)
    assert not kept or not order or order[-1] <= min(peer.place or order[-1] for peer in kept)


@given(PEERS, BOUNDS)
def test_a_source_is_cut_to_its_bound_as_far_as_it_can_be(peers: list[Peer], per_source: int) -> None:
    out = chosen(peers, limit=len(peers) + 1, per_source=per_source)
    held = Counter(peer.source for peer in peers if peer not in out)
    for source, count in held.items():
        safe = [peer for peer in peers if peer.source == source and not (peer.place and peer.made < CHANCE)]
        assert count <= max(per_source, len(safe))
    assert all(held[one.source] >= per_source for one in out)


def test_the_greedy_source_loses_before_the_modest_one() -> None:
    modest = [Peer(source="modest", place=(Standing.IDLE, 0.0)) for _ in range(2)]
    greedy = [Peer(source="greedy", place=(Standing.SLOW_READER, 9.0)) for _ in range(10)]
    assert set(chosen([*modest, *greedy], limit=8)) <= set(greedy)


@pytest.mark.looptime
async def test_a_full_pool_admits_and_evicts_what_is_old_enough() -> None:
    loop = asyncio.get_running_loop()
    pool = Pool(2, ceiling=8)
    peers = [Peer(made=loop.time(), pool=pool) for _ in range(4)]
    assert all(pool.admit(peer, loop) for peer in peers)
    await asyncio.sleep(YOUNG - 0.1)
    assert not any(peer.evicted for peer in peers), "too young"
    await asyncio.sleep(0.3)
    assert [peer.evicted for peer in peers] == [True, True, False, False]
    assert list(pool.members) == peers[2:]


@pytest.mark.looptime
async def test_one_source_leaves_room_in_the_surplus_to_others() -> None:
    loop = asyncio.get_running_loop()
    pool = Pool(4, ceiling=8, per_source=1, by_source=True)
    assert [pool.admit(Peer(source="a", made=loop.time(), pool=pool), loop) for _ in range(8)] == [True] * 6 + [
        False
    ] * 2
    assert [pool.admit(Peer(source="b", made=loop.time(), pool=pool), loop) for _ in range(3)] == [True] * 2 + [False]
    await asyncio.sleep(1)
    assert Counter(peer.source for peer in pool.members) == {"a": 1, "b": 1}


def test_a_member_can_leave_twice() -> None:
    pool = Pool(1, ceiling=SURPLUS)
    pool.discard(Peer())
    assert not pool.members


def test_who_owes_most_leaves_and_of_the_same_the_oldest() -> None:
    pool = Pool(9, ceiling=9)
    budget = ByteBudget(1000, [pool])
    peers = [
        Peer(owed=owed, place=place, pool=pool, budget=budget)
        for owed, place in (
            (10, (Standing.IDLE, 0.0)),
            (400, (Standing.SLOW_READER, 8.0)),
            (400, (Standing.SLOW_READER, 7.0)),
            (400, None),
        )
    ]
    pool.members.update(dict.fromkeys(peers))
    for peer in peers:
        budget.charge(peer.owed)
    assert [peer.evicted for peer in peers] == [False, False, True, False]
    budget.charge(-400)
    assert not peers[1].evicted
