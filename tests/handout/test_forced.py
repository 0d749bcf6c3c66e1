"""Tokens replaced before their time, in virtual time. The fetch is a plain function; the refresher is the real one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import pytest

from broker.core.errors import NetworkError, RefusalError
from broker.core.events import Event, RefreshFailed, RefreshForced
from broker.core.settings import TokenSettings
from broker.core.tokens import Token
from broker.refresh.refresher import Refresher
from broker.refresh.store import Store
from broker.workload_api.forced import WAIT_MARGIN, ForcedRefresh, WaiterLimit

pytestmark = pytest.mark.looptime
EPOCH = 1_795_000_000.0
DOWN = NetworkError("connect", "idp:443", "refused")


class Stage:
    """One token, kept by a refresher, and a server that grants `lifetime` seconds or raises `trouble`."""

    def __init__(self, *, lifetime: float, max_waiting: int) -> None:
        loop = asyncio.get_running_loop()
        self.now: Callable[[], float] = lambda: EPOCH + loop.time()
        self.lifetime = lifetime
        self.trouble: Exception | None = None
        self.takes = 0.0
        self.asked: list[float] = []
        self.told: list[Event] = []
        self.store = Store(["t"], self.now)
        self.waiters = WaiterLimit(max_waiting)
        self.refresher = Refresher(
            "t",
            TokenSettings(client="c"),
            fetch=self.fetch,
            store=self.store,
            now=self.now,
            draw=lambda: 0.5,
            observe=self.told.append,
        )
        self.forced = ForcedRefresh(
            {"t": self.refresher},
            self.store,
            self.waiters,
            fetch_timeouts={"t": 10.0},
            now=self.now,
            observe=self.told.append,
        )

    async def fetch(self, _settings: TokenSettings) -> Token:
        began = self.now()
        self.asked.append(round(began - EPOCH, 1))
        await asyncio.sleep(self.takes)
        if self.trouble:
            raise self.trouble
        text = f"token-{len(self.asked)}"
        return Token(access_token=text, token_type="Bearer", scope="", issued_at=began, lifetime=self.lifetime)

    @property
    def token(self) -> Token:
        token = self.store.get("t")
        assert token
        return token

    async def ensure_lifetime(self, seconds: float, *, wait: float | None = None) -> float:
        """How long it took."""
        began = self.now()
        await self.forced.ensure_lifetime("t", seconds, caller="reports", wait=wait)
        return self.now() - began

    def reject(self) -> None:
        self.forced.report_rejected("t", self.token, caller="reports")

    async def reject_all(self, seconds: int) -> None:
        """Report every token the moment that it may be reported, and each second after that."""
        for _ in range(seconds):
            self.reject()
            await asyncio.sleep(1)


@asynccontextmanager
async def a_stage(*, lifetime: float = 3600.0, max_waiting: int = 100) -> AsyncIterator[Stage]:
    """With the first token held for a minute."""
    stage = Stage(lifetime=lifetime, max_waiting=max_waiting)
    task = asyncio.create_task(stage.refresher.run())
    await asyncio.sleep(60)
    try:
        yield stage
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_token_that_lives_long_enough_is_left_alone() -> None:
    async with a_stage() as stage:
        assert await stage.ensure_lifetime(3540) == 0
        assert stage.asked == [0]


async def test_one_that_does_not_is_replaced_while_who_asked_waits() -> None:
    async with a_stage() as stage:
        stage.takes = 2
        assert await stage.ensure_lifetime(3541) == pytest.approx(2)
        assert stage.token.access_token == "token-2"
        assert stage.told[-2] == RefreshForced(token="t", caller="reports", cause="min_ttl")


async def test_the_old_one_is_there_until_then() -> None:
    async with a_stage() as stage:
        stage.takes = 5
        waiting = asyncio.create_task(stage.ensure_lifetime(3600))
        for _ in range(4):
            await asyncio.sleep(1)
            assert stage.token.access_token == "token-1"
        await waiting
        assert stage.token.access_token == "token-2"


async def test_a_thousand_who_ask_at_once_cause_one_request() -> None:
    async with a_stage(max_waiting=1000) as stage:
        stage.takes = 2
        took = await asyncio.gather(*(stage.ensure_lifetime(3600) for _ in range(1000)))
        assert stage.asked == [0, 60]
        assert took == pytest.approx([2] * 1000)
        assert len([event for event in stage.told if isinstance(event, RefreshForced)]) == 1


async def test_who_asks_during_an_ordinary_refresh_waits_for_that_and_spends_nothing() -> None:
    async with a_stage(lifetime=300) as stage:
        stage.takes = 5
        await asyncio.sleep(stage.refresher.next_at - stage.now() + 1)
        assert stage.refresher.under_way
        assert await stage.ensure_lifetime(290) == pytest.approx(4)
        assert not [event for event in stage.told if isinstance(event, RefreshForced)]
        stage.lifetime = 3600
        await stage.ensure_lifetime(299)
        assert [event for event in stage.told if isinstance(event, RefreshForced)]


async def test_a_second_within_half_a_minute_is_not_made_and_nobody_waits_for_it() -> None:
    async with a_stage(lifetime=40) as stage:
        await stage.ensure_lifetime(36)
        asked = len(stage.asked)
        await asyncio.sleep(10)
        assert await stage.ensure_lifetime(36) == 0
        assert len(stage.asked) == asked


async def test_who_waits_does_so_for_as_long_as_a_request_may_take() -> None:
    async with a_stage() as stage:
        stage.takes = 100
        assert await stage.ensure_lifetime(3600) == pytest.approx(10 + WAIT_MARGIN)


@pytest.mark.parametrize("wait", [0.0, 3.0])
async def test_who_says_so_waits_less(wait: float) -> None:
    async with a_stage() as stage:
        stage.takes = 5
        assert await stage.ensure_lifetime(3600, wait=wait) == pytest.approx(wait)
        await asyncio.sleep(5)
        assert stage.token.access_token == "token-2", "the refresh goes on"


async def test_those_beyond_the_room_do_not_wait() -> None:
    async with a_stage(max_waiting=2) as stage:
        stage.takes = 5
        took = await asyncio.gather(*(stage.ensure_lifetime(3600) for _ in range(4)))
        assert sorted(took) == [0, 0, pytest.approx(5), pytest.approx(5)]
        assert stage.waiters.available


async def test_a_waiter_that_goes_away_makes_room_and_stops_nothing() -> None:
    async with a_stage(max_waiting=1) as stage:
        stage.takes = 5
        gone = asyncio.create_task(stage.ensure_lifetime(3600))
        await asyncio.sleep(1)
        assert not stage.waiters.available
        gone.cancel()
        await asyncio.sleep(0)
        assert await stage.ensure_lifetime(3600) == pytest.approx(4)
        assert stage.token.access_token == "token-2"


async def test_an_attempt_that_fails_costs_no_token_and_ends_the_wait() -> None:
    async with a_stage() as stage:
        stage.takes, stage.trouble = 1, DOWN
        assert await stage.ensure_lifetime(3600) == pytest.approx(1)
        assert stage.token.access_token == "token-1"


async def test_while_attempts_fail_none_is_forced() -> None:
    """The pause after a failure is for the server's sake."""
    async with a_stage() as stage:
        stage.trouble = DOWN
        await stage.ensure_lifetime(3600)
        asked = len(stage.asked)
        retry = stage.refresher.next_at
        while stage.now() < retry - 1:
            assert await stage.ensure_lifetime(3600) == 0
            stage.reject()
            await asyncio.sleep(0.5)
        assert len(stage.asked) == asked


async def test_a_rate_limit_of_the_client_is_found_out_once_and_then_waited_out() -> None:
    """Another token of the client met it; Grant refuses at once, without a request."""
    async with a_stage() as stage:
        stage.trouble = RefusalError(429, "", "", retry_after=600.0)
        for _ in range(500):
            assert await stage.ensure_lifetime(3600) == 0
            await asyncio.sleep(1)
        assert len(stage.asked) == 2
        assert len([event for event in stage.told if isinstance(event, RefreshFailed)]) == 1
        assert stage.token.access_token == "token-1"
        stage.trouble = None
        await asyncio.sleep(600)
        assert stage.token.access_token == "token-3", "within a holder's spread after the limit"


async def test_without_a_token_nothing_is_forced() -> None:
    async with a_stage() as stage:
        stage.trouble = DOWN
        await asyncio.sleep(4000)
        assert stage.store.get("t") is None
        assert await stage.ensure_lifetime(60) == 0
        assert not [event for event in stage.told if isinstance(event, RefreshForced)]


async def test_a_rejected_token_is_replaced() -> None:
    async with a_stage() as stage:
        stage.reject()
        await asyncio.sleep(0.1)
        assert stage.token.access_token == "token-2"
        assert RefreshForced(token="t", caller="reports", cause="rejected") in stage.told


async def test_one_that_is_younger_than_half_a_minute_is_not_to_blame() -> None:
    async with a_stage() as stage:
        stage.reject()
        await asyncio.sleep(29)
        stage.reject()
        await asyncio.sleep(0.1)
        assert stage.asked == [0, 60]
        await asyncio.sleep(1)
        stage.reject()
        await asyncio.sleep(0.1)
        assert stage.asked == [0, 60, 90.1]


async def test_rejections_and_min_ttl_share_one_budget() -> None:
    async with a_stage() as stage:
        stage.reject()
        await asyncio.sleep(20)
        assert await stage.ensure_lifetime(3600) == 0
        assert stage.asked == [0, 60]
        await asyncio.sleep(10)
        await stage.ensure_lifetime(3600)
        assert stage.asked == [0, 60, 90]


def gaps(stage: Stage) -> list[float]:
    return [after - before for before, after in pairwise(stage.asked[1:])]


async def test_while_the_forced_ones_are_rejected_too_they_become_rarer() -> None:
    async with a_stage(lifetime=86400) as stage:
        await stage.reject_all(6000)
        assert gaps(stage) == pytest.approx([30, 60, 120, 240, 480, 900, 900, 900, 900, 900], abs=2)


async def test_tokens_that_are_replaced_meanwhile_do_not_make_them_more_frequent() -> None:
    """Each is rejected all its life, whether it was forced or not."""
    async with a_stage(lifetime=300) as stage:
        await stage.reject_all(20_000)
        forced = [event for event in stage.told if isinstance(event, RefreshForced)]
        assert len(forced) <= 6 + 20_000 / 900 + 1


async def test_one_that_lived_to_its_ordinary_refresh_makes_good() -> None:
    async with a_stage(lifetime=1200) as stage:
        await stage.reject_all(100)
        assert gaps(stage) == pytest.approx([30, 60], abs=2)
        await asyncio.sleep(1500)
        del stage.asked[1:]
        await stage.reject_all(100)
        assert gaps(stage) == pytest.approx([30, 60], abs=2)


async def test_a_forced_one_that_is_still_too_short_is_of_no_use() -> None:
    """A server that gives out the same token again, with what is left of it."""
    async with a_stage() as stage:
        stage.lifetime = 100
        for _ in range(2000):
            await stage.ensure_lifetime(3000)
            await asyncio.sleep(1)
        forced = [event for event in stage.told if isinstance(event, RefreshForced)]
        assert len(forced) <= 8


async def test_a_token_that_outlives_its_requests_is_of_use() -> None:
    """`min_ttl` near the whole lifetime: one every half a minute at most, for ever."""
    async with a_stage(lifetime=300) as stage:
        del stage.told[:]
        for _ in range(3000):
            await stage.ensure_lifetime(270)
            await asyncio.sleep(1)
        forced = [event for event in stage.told if isinstance(event, RefreshForced)]
        assert 3000 / 35 < len(forced) <= 3000 / 30 + 1
