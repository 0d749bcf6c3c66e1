"""Hours of workloads that want tokens replaced, as the authorization server sees them."""

import asyncio
from pathlib import Path

import pytest

from broker.core.events import Refreshed, RefreshForced
from broker.devserver import Fault
from day.virtual_day import HOUR, MINUTE, Day, a_day

pytestmark = pytest.mark.looptime


async def min_ttl(day: Day, seconds: int, name: str = "t0") -> int:
    """`expires_in` of the answer."""
    url = f"http://{day.broker.api.addresses[0]}/v1/tokens/{name}?min_ttl={seconds}s"
    async with day.http.get(url, headers={"Metadata": "true"}) as reply:
        assert reply.status == 200
        return int((await reply.json())["expires_in"])


async def reject(day: Day, name: str = "t0") -> None:
    token = day.broker.store.get(name)
    assert token
    url = f"http://{day.broker.api.addresses[0]}/v1/tokens/{name}/rejected"
    body = {"access_token": token.access_token}
    async with day.http.post(url, json=body, headers={"Metadata": "true"}) as reply:
        assert reply.status == 202


async def test_a_morning_of_asking_for_more_than_half_of_the_lifetime_always_gets_it(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=HOUR) as day:
        for _ in range(int(6 * HOUR / MINUTE)):
            assert await min_ttl(day, 3000) >= 3000
            await asyncio.sleep(MINUTE)
        assert len(day.seen(Refreshed)) == day.server.journal.total
        assert 6 * HOUR / 660 - 2 <= day.server.journal.total <= 6 * HOUR / 600 + 2


async def test_a_workload_whose_tokens_are_all_rejected_does_not_make_a_busy_server(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=HOUR) as day:
        for _ in range(int(3 * HOUR / 10)):
            await reject(day)
            await asyncio.sleep(10)
        assert len(day.seen(RefreshForced)) <= 6 + 3 * 4
        assert day.server.journal.total == len(day.seen(Refreshed)) <= 6 + 3 * 4 + 5


async def test_while_a_rate_limit_cools_the_client_none_of_its_tokens_is_forced(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=HOUR, tokens=2) as day:
        await asyncio.sleep(10 * MINUTE)
        day.server.faults.set(Fault(times=1, status=429, headers={"Retry-After": "600"}))
        assert await min_ttl(day, 3200, "t0") == pytest.approx(HOUR - 10 * MINUTE, abs=5), "the held one, at once"
        sent = day.server.journal.total
        for _ in range(100):
            for name in ("t0", "t1"):
                assert await min_ttl(day, 3200, name) < 3200
                await reject(day, name)
            await asyncio.sleep(5)
        assert day.server.journal.total == sent
        await asyncio.sleep(12 * MINUTE)  # the spread of those who hold a token
        assert [await min_ttl(day, 3200, name) >= 3200 for name in ("t0", "t1")] == [True, True]
