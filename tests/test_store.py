"""The store holds what is usable and nothing else."""

import asyncio
from collections.abc import Callable

import pytest

from broker.core.tokens import Token
from broker.refresh.store import Store

EPOCH = 1_795_000_000.0


def a_token(now: float, *, lifetime: float = 300.0, text: str = "secret-token") -> Token:
    return Token(access_token=text, token_type="Bearer", scope="", issued_at=now, lifetime=lifetime)


async def the_clock() -> Callable[[], float]:
    loop = asyncio.get_running_loop()
    return lambda: EPOCH + loop.time()


@pytest.mark.looptime
async def test_a_token_is_there_until_five_seconds_before_its_expiry() -> None:
    now = await the_clock()
    store = Store(["a"], now)
    store.put("a", token := a_token(now()))
    await asyncio.sleep(294.9)
    assert store.get("a") is token
    await asyncio.sleep(0.2)
    assert store.get("a") is None


@pytest.mark.looptime
async def test_of_a_short_life_a_tenth_is_given_up() -> None:
    now = await the_clock()
    store = Store(["a"], now)
    store.put("a", a_token(now(), lifetime=10))
    await asyncio.sleep(8.9)
    assert store.get("a")
    await asyncio.sleep(0.2)
    assert store.get("a") is None


@pytest.mark.looptime
async def test_whoever_waits_has_the_token_when_it_arrives() -> None:
    now = await the_clock()
    store = Store(["a"], now)
    began = now()
    asyncio.get_running_loop().call_later(2, lambda: store.put("a", a_token(now())))
    waited = await asyncio.gather(store.wait("a", 5), store.wait("a", 5), store.wait("a", 1))
    assert [bool(token) for token in waited] == [True, True, False]
    assert now() - began == pytest.approx(2)


@pytest.mark.looptime
async def test_a_wait_ends_empty_when_nothing_comes() -> None:
    now = await the_clock()
    began = now()
    assert await Store(["a"], now).wait("a", 3) is None
    assert now() - began == pytest.approx(3)


@pytest.mark.looptime
async def test_a_wait_for_a_held_token_is_no_wait() -> None:
    now = await the_clock()
    store = Store(["a"], now)
    store.put("a", token := a_token(now()))
    assert await store.wait("a", 3) is token
    assert store.held("a")


@pytest.mark.looptime
async def test_a_token_that_expired_was_held_all_the_same() -> None:
    now = await the_clock()
    store = Store(["a", "b"], now)
    store.put("a", a_token(now(), lifetime=1))
    await asyncio.sleep(2)
    assert store.get("a") is None
    assert store.held("a")
    assert not store.held("b")


@pytest.mark.looptime
async def test_a_token_that_is_dead_on_arrival_replaces_nothing_and_wakes_nobody() -> None:
    now = await the_clock()
    store = Store(["a", "b"], now)
    store.put("a", token := a_token(now()))
    store.put("a", a_token(now() - 1000))
    assert store.get("a") is token
    asyncio.get_running_loop().call_later(1, lambda: store.put("b", a_token(now() - 1000)))
    asyncio.get_running_loop().call_later(2, lambda: store.put("b", a_token(now())))
    assert await store.wait("b", 5)


@pytest.mark.looptime
async def test_every_configured_name_has_its_place() -> None:
    now = await the_clock()
    names = [f"t{i}" for i in range(200)]
    store = Store(names, now)
    for name in names:
        store.put(name, a_token(now(), text=name))
    assert all((token := store.get(name)) and token.access_token == name for name in names)


def test_a_token_is_not_in_its_own_repr() -> None:
    assert "secret-token" not in repr(a_token(EPOCH))


@pytest.mark.looptime
async def test_each_token_that_comes_is_another_generation_and_what_is_dead_on_arrival_is_none() -> None:
    now = await the_clock()
    store = Store(["a", "b"], now)
    before = store.generation
    store.put("a", a_token(now()))
    store.put("b", a_token(now()))
    assert store.generation == before + 2
    store.put("a", a_token(now() - 1000))
    assert store.generation == before + 2


@pytest.mark.looptime
async def test_who_waits_for_the_next_is_not_content_with_the_one_that_is_there() -> None:
    now = await the_clock()
    store = Store(["a"], now)
    store.put("a", held := a_token(now()))
    began = now()
    assert await store.next("a", 3) is held
    assert now() - began == pytest.approx(3)
    asyncio.get_running_loop().call_later(2, store.put, "a", newer := a_token(now()))
    assert await store.next("a", None) is newer
    assert now() - began == pytest.approx(5)
