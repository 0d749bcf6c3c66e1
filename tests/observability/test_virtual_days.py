"""Days of the real broker, in virtual time, under the shipped alerts: what fires, and above all what does not."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from broker.core.events import Refreshed
from broker.devserver import Fault
from day.virtual_day import DAY, EPOCH, HOUR, MINUTE, a_day, write_key
from observability.rules import unit_tested
from observability.virtual_scrapes import scraped

pytestmark = pytest.mark.looptime
EXPIRING, EXPIRED, FAILING = "TokenBrokerTokenExpiring", "TokenBrokerTokenExpired", "TokenBrokerRefreshFailing"


def holds(folder: Path, test: dict[str, Any], *, interval: str = "30s") -> None:
    done = unit_tested(folder, [test], interval=interval)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("every", [15, 60])
@pytest.mark.parametrize("lifetime", [HOUR, 300, 60, 20])
async def test_quiet_hours_fire_nothing(tmp_path: Path, lifetime: float, every: float) -> None:
    async with a_day(tmp_path, lifetime=lifetime, tokens=2) as day:
        with scraped(lambda: day.broker.metrics.registry, every=every) as scrapes:
            await asyncio.sleep(HOUR / 2 + 2 * lifetime)
    holds(tmp_path, scrapes.unit_test())


@pytest.mark.parametrize(("lifetime", "seconds", "every"), [(DAY, 1.5 * DAY, 60), (HOUR, DAY, 60), (60, 6 * HOUR, 15)])
async def test_a_quiet_day_fires_nothing(tmp_path: Path, lifetime: float, seconds: float, every: float) -> None:
    async with a_day(tmp_path, lifetime=lifetime, tokens=2) as day:
        with scraped(lambda: day.broker.metrics.registry, every=every) as scrapes:
            await asyncio.sleep(seconds)
    holds(tmp_path, scrapes.unit_test(), interval="60s")


@pytest.mark.parametrize("ahead", ["10s", "90%"])
async def test_a_lead_that_was_configured_fires_nothing(tmp_path: Path, ahead: str) -> None:
    async with a_day(tmp_path, ahead=ahead) as day:
        with scraped(lambda: day.broker.metrics.registry) as scrapes:
            await asyncio.sleep(3 * HOUR)
    holds(tmp_path, scrapes.unit_test())


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503, times=1),
        Fault(status=401, times=1),
        Fault(reset=True, times=3),
        Fault(retry_after=60, times=1),
    ],
)
@pytest.mark.parametrize("lifetime", [HOUR, 300])
async def test_what_the_next_attempt_makes_good_fires_nothing(tmp_path: Path, lifetime: float, fault: Fault) -> None:
    async with a_day(tmp_path, lifetime=lifetime) as day:
        with scraped(lambda: day.broker.metrics.registry) as scrapes:
            for _ in range(3):
                day.server.faults.add(fault)
                await asyncio.sleep(lifetime)
    holds(tmp_path, scrapes.unit_test())


async def test_an_outage_of_an_hours_token_warns_then_pages_and_clears(tmp_path: Path) -> None:
    async with a_day(tmp_path) as day:
        with scraped(lambda: day.broker.metrics.registry) as scrapes:
            day.server.faults.set(Fault(status=503))
            await asyncio.sleep(70 * MINUTE)
            day.server.faults.clear()
            await asyncio.sleep(20 * MINUTE)
    # The first attempt fails 36 to 40 minutes after the start, half of the lead is over at 50.
    holds(
        tmp_path,
        scrapes.unit_test(
            (45 * MINUTE, set()),
            (51 * MINUTE, {EXPIRING, FAILING}),
            (61 * MINUTE, {FAILING}),
            (63 * MINUTE, {FAILING, EXPIRED}),
            (73 * MINUTE, set()),
        ),
    )


async def test_an_outage_of_a_minutes_token_pages_two_minutes_after_expiry_and_clears(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=60) as day:
        with scraped(lambda: day.broker.metrics.registry, every=5) as scrapes:
            await asyncio.sleep(5 * MINUTE)
            day.server.faults.set(Fault(status=503))
            await asyncio.sleep(5 * MINUTE)
            expiry = day.seen(Refreshed)[-1].expires_at - EPOCH
            day.server.faults.clear()
            await asyncio.sleep(5 * MINUTE)
    test = scrapes.unit_test(
        (5 * MINUTE, set()), (expiry - 6, {EXPIRING}), (expiry + 127, {EXPIRED}), (12 * MINUTE, set())
    )
    holds(tmp_path, test, interval="5s")


async def test_rotations_that_succeed_fire_nothing_and_one_that_fails_warns_until_it_is_mended(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=300) as day:
        with scraped(lambda: day.broker.metrics.registry) as scrapes:
            for number in range(3):
                new = write_key(day.key_file, f"k{number}")
                day.server.register("client", {"keys": [new]}, {"read"})
                await asyncio.sleep(20 * MINUTE)
            day.key_file.write_text('{"kty": "EC", "crv"')
            await asyncio.sleep(HOUR)
            day.server.register("client", {"keys": [write_key(day.key_file, "k9")]}, {"read"})
            await asyncio.sleep(20 * MINUTE)
    refused = {"TokenBrokerKeyRefused"}
    holds(tmp_path, scrapes.unit_test((HOUR, set()), (2 * HOUR - 60, refused), (2 * HOUR + 2 * MINUTE, set())))


@pytest.mark.parametrize("step", [40.0, -40.0])
async def test_a_wrong_clock_warns_and_clears_when_it_is_right_again(tmp_path: Path, step: float) -> None:
    async with a_day(tmp_path, lifetime=600) as day:
        with scraped(lambda: day.broker.metrics.registry) as scrapes:
            await asyncio.sleep(10 * MINUTE)
            day.step = step
            await asyncio.sleep(30 * MINUTE)
            day.step = 0.0
            await asyncio.sleep(30 * MINUTE)
        offset = {"TokenBrokerClockOffset"}
    holds(tmp_path, scrapes.unit_test((10 * MINUTE, set()), (39 * MINUTE, offset), (65 * MINUTE, set())))
