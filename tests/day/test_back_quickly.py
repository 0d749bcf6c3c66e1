"""How soon workloads have a token again once the authorization server is back."""

import asyncio
from itertools import pairwise
from pathlib import Path

import pytest

from broker.core.events import TokenExpired
from broker.devserver import DevServer, Fault
from day.virtual_day import EPOCH, HOUR, MINUTE, Day, a_day

pytestmark = pytest.mark.looptime
#: What `poll` adds: its own interval.
EVERY = 0.5


async def seconds_until_served(day: Day, *names: str) -> float:
    """Ask for all of `names` every half second until each is answered with a token."""
    began = asyncio.get_running_loop().time()
    while [(await day.ask(name)).status for name in names] != [200] * len(names):
        await asyncio.sleep(EVERY)
    return asyncio.get_running_loop().time() - began


@pytest.mark.parametrize("minutes", [6, 9])
@pytest.mark.parametrize(
    "fault",
    [Fault(reset=True), Fault(status=503), Fault(status=500, body="<html>oops</html>")],
    ids=["reset", "503", "html"],
)
async def test_a_workload_that_asks_is_served_within_five_seconds(fault: Fault, minutes: float, tmp_path: Path) -> None:
    """The tokens live five minutes, so each outage outlasts them."""
    async with a_day(tmp_path, lifetime=300, seed=int(minutes)) as day:
        day.server.faults.set(fault)
        await day.poll(minutes * MINUTE, every=2)
        assert day.answers[-1].status == 503
        day.server.faults.clear()
        assert await seconds_until_served(day, "t0") <= 5 + EVERY


async def test_a_server_that_was_restarted_is_found_within_five_seconds(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=60) as day:
        public = day.broker.clients["c"].keys.public_jwks()
        port = day.server.port
        await day.server.__aexit__(None, None, None)
        await day.poll(5 * MINUTE, every=2)
        assert day.answers[-1].reason == "connect_failed"
        loop = asyncio.get_running_loop()
        async with DevServer(listen=("127.0.0.1", port), lifetime=60, now=lambda: EPOCH + loop.time()) as server:
            server.register("client", public, {"read"})
            assert await seconds_until_served(day, "t0") <= 5 + EVERY


async def test_other_tokens_come_back_with_the_requested_one(tmp_path: Path) -> None:
    names = tuple(f"t{i}" for i in range(20))
    async with a_day(tmp_path, lifetime=300, tokens=20) as day:
        day.server.faults.set(Fault(reset=True))
        await day.poll(9 * MINUTE, every=2)
        assert len(day.seen(TokenExpired)) == 20
        day.server.faults.clear()
        await seconds_until_served(day, "t0")
        await asyncio.sleep(2)
        assert [(await day.ask(name)).status for name in names] == [200] * 20


async def test_scrapes_and_probes_cause_no_attempt(tmp_path: Path) -> None:
    async with a_day(tmp_path) as day:
        day.server.faults.set(Fault(status=503))
        await asyncio.sleep(2 * HOUR)
        before = day.server.journal.total
        for _ in range(150):
            for path in ("/readyz", "/livez", "/readyz/t0", "/metrics"):
                async with day.http.get(f"http://{day.broker.admin.addresses[0]}{path}") as reply:
                    await reply.read()
            await asyncio.sleep(4)
        # 1 to 60 s between two attempts, as without a probe.
        assert day.server.journal.total - before <= 600 / 30 * 1.6


async def test_demand_never_shortens_a_rate_limit(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=300) as day:
        day.server.faults.set(Fault(retry_after=120))
        await day.poll(20 * MINUTE, every=1)
        assert day.server.journal.total <= 1 + 20 * MINUTE / 121 + 2


async def test_a_503_with_retry_after_is_obeyed_under_demand(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=300) as day:
        day.server.faults.set(Fault(status=503, headers={"Retry-After": "50"}))
        await day.poll(10 * MINUTE, every=1)
        times = [seen.at for seen in day.server.journal.requests][-6:]
        assert min(after - before for before, after in pairwise(times)) >= 50
