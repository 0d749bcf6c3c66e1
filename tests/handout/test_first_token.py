"""Requests for an absent token wait for the attempt in flight, over real sockets and in virtual time."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from itertools import repeat
from typing import Any

import pytest

from broker.core.durations import Duration
from broker.core.errors import NetworkError
from broker.workload_api.first_token import FirstToken
from broker.workload_api.forced import WaiterLimit
from desk import Desk, open_desk
from raw_http import Answer, get, wire

pytestmark = pytest.mark.looptime
DOWN = NetworkError("connect", "idp:443", "refused")
FORM = "Content-Type: application/x-www-form-urlencoded"


@asynccontextmanager
async def fetching(*names: str, takes: float = 0.0, wait: float = 1.0, **api: Any) -> AsyncIterator[Desk]:
    """A desk whose refreshers run, each attempt for `takes` seconds."""
    async with open_desk(*(names or ("a",)), first_token_wait=Duration(wait), **api) as desk:
        desk.takes = takes
        loops = [asyncio.create_task(refresher.run()) for refresher in desk.refreshers.values()]
        try:
            yield desk
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)


async def timed(answer: Awaitable[Answer]) -> tuple[int, float]:
    """Status, and how long it took to the tenth of a second."""
    began = asyncio.get_running_loop().time()
    status = (await answer).status
    return status, round(asyncio.get_running_loop().time() - began, 1)


async def test_fifty_requests_for_a_token_in_flight_all_get_it() -> None:
    async with fetching(takes=0.7) as desk:
        answers = await asyncio.gather(*(timed(desk.get("/v1/token")) for _ in range(50)))
        assert answers == [(200, 0.7)] * 50
        assert desk.fetched == 1


async def test_requests_before_the_first_attempt_wait_for_it() -> None:
    async with open_desk("a", first_token_wait=Duration(1)) as desk:
        waiting = asyncio.create_task(timed(desk.get("/v1/token")))
        await asyncio.sleep(0.5)
        loop = asyncio.create_task(desk.refreshers["a"].run())
        assert await waiting == (200, 0.5)
        loop.cancel()


async def test_the_token_endpoint_waits_too() -> None:
    async with fetching(takes=0.5, token_endpoint="open") as desk, wire(desk.addresses[0]) as one:
        head = get("/oauth2/token", FORM, method="POST", body=b"grant_type=client_credentials")
        assert await timed(one.ask(head)) == (200, 0.5)


async def test_a_proof_waits_too() -> None:
    async with fetching(takes=0.5) as desk:
        wanted = {"method": "GET", "url": "https://api/users"}
        status, seconds = await timed(desk.post("/v1/tokens/a/proof", body=wanted))
        assert (status, seconds) == (400, 0.5), "a Bearer token, once it is there, has no proof"


async def test_a_wait_is_no_longer_than_configured() -> None:
    async with fetching(takes=5) as desk:
        assert await timed(desk.get("/v1/token")) == (503, 1.0)
        await asyncio.sleep(4)
        assert await timed(desk.get("/v1/token")) == (200, 0.0)


async def test_a_wait_of_zero_answers_at_once() -> None:
    async with fetching(takes=5, wait=0) as desk:
        assert await timed(desk.get("/v1/token")) == (503, 0.0)


async def test_a_failing_attempt_ends_the_wait_with_its_reason() -> None:
    async with fetching(takes=0.3) as desk:
        desk.trouble = DOWN
        answers = await asyncio.gather(*(desk.get("/v1/token") for _ in range(10)))
        assert [(answer.status, answer.json["reason"]) for answer in answers] == [(503, "connect_failed")] * 10
        assert asyncio.get_running_loop().time() == pytest.approx(0.3, abs=0.01)
        assert await timed(desk.get("/v1/token")) == (503, 0.0), "no attempt is in flight"


async def test_an_expired_token_is_waited_for_like_the_first() -> None:
    async with fetching() as desk:
        assert await timed(desk.get("/v1/token")) == (200, 0.0)
        desk.takes = 0.6
        desk.time += 4000
        assert await timed(desk.get("/v1/token")) == (200, 0.6), "the attempt was due, and is made at once"


async def test_without_a_wait_a_request_starts_what_is_due() -> None:
    """The clock that tokens live by runs on while a machine is suspended; the loop's timer does not."""
    async with fetching(wait=0) as desk:
        await asyncio.sleep(0.1)
        desk.time += 4000
        assert await timed(desk.get("/v1/token")) == (503, 0.0)
        await asyncio.sleep(0.01)
        assert await timed(desk.get("/v1/token")) == (200, 0.0)


async def test_a_quarter_of_the_connections_may_wait() -> None:
    async with fetching(takes=0.5, max_connections=8) as desk:
        answers = await asyncio.gather(*(timed(desk.get("/v1/token")) for _ in range(6)))
        assert sorted(answers) == [(200, 0.5)] * 2 + [(503, 0.0)] * 4


async def test_waits_by_query_have_room_of_their_own() -> None:
    async with fetching(takes=0.5, max_connections=8) as desk:
        targets = [*repeat("/v1/token", 3), *repeat("/v1/token?wait=5s", 4)]
        answers = await asyncio.gather(*(timed(desk.get(target)) for target in targets))
        assert sorted(answers) == [(200, 0.5)] * 6 + [(503, 0.0)]


async def test_without_room_a_query_waits_for_the_attempt_only() -> None:
    async with fetching(takes=3, max_connections=4) as desk:
        answers = await asyncio.gather(*(timed(desk.get("/v1/token?wait=5s")) for _ in range(4)))
        assert sorted(answers) == [(200, 3.0), (200, 3.0), (503, 0.0), (503, 1.0)]


@pytest.mark.parametrize(("wait", "seconds"), [("0s", 0.0), ("300ms", 0.3), ("2s", 2.0)])
async def test_a_query_decides_how_long_to_wait(wait: str, seconds: float) -> None:
    async with fetching(takes=5) as desk:
        assert await timed(desk.get(f"/v1/token?wait={wait}")) == (503, seconds)


async def test_min_ttl_takes_the_token_that_was_in_flight() -> None:
    async with fetching(takes=0.5) as desk:
        assert await timed(desk.get("/v1/token?min_ttl=3000s")) == (200, 0.5)
        assert desk.fetched == 1


async def test_a_request_that_is_cancelled_makes_room_and_stops_nothing() -> None:
    async with fetching(takes=0.8) as desk:
        room = WaiterLimit(1)
        first = FirstToken(desk.refreshers, desk.store, attempt_wait=1, waiters=room, long_waiters=WaiterLimit(1))
        gone = asyncio.create_task(first.get("a"))
        await asyncio.sleep(0.1)
        rooms = [room.available]
        gone.cancel()
        await asyncio.sleep(0.1)
        assert [*rooms, room.available] == [False, True]
        assert await first.get("a")
        assert desk.fetched == 1


async def test_a_request_for_an_absent_token_counts_as_demand() -> None:
    async with fetching() as desk:
        desk.trouble = DOWN
        await asyncio.sleep(1)
        refresher = desk.refreshers["a"]
        assert refresher.due_at == refresher.next_at
        refresher.next_at += 100
        desk.time += 1
        answer = await desk.get("/v1/token")
        assert answer.status == 503
        assert refresher.due_at < refresher.next_at
        assert 1 <= int(answer.headers["retry-after"]) <= 5
