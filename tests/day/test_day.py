"""Days in seconds: what a workload sees while things go wrong."""

import asyncio
from pathlib import Path

import pytest

from broker.core.events import ClockMeasured, KeyLoaded, Refreshed, RefreshFailed, TokenExpired
from broker.devserver import Fault
from day.virtual_day import DAY, HOUR, MINUTE, Day, a_day, write_key

pytestmark = pytest.mark.looptime


def assert_no_assertion_was_sent_twice(day: Day) -> None:
    assert day.server.journal.repeated == 0


@pytest.mark.parametrize("seconds", [6 * HOUR, pytest.param(DAY, marks=pytest.mark.slow)])
async def test_a_quiet_day_of_five_minute_tokens_is_all_good_answers_with_time_to_spare(
    tmp_path: Path, seconds: float
) -> None:
    async with a_day(tmp_path, lifetime=300) as day:
        answers = await day.poll(seconds)
        assert day.statuses == {200: len(answers)}
        assert min(answer.left for answer in answers) >= 148
        assert all(abs(answer.left - answer.expires_in) <= 1.5 for answer in answers)
        assert seconds / 150 <= len(day.seen(Refreshed)) <= seconds / 119
        assert day.server.journal.total == len(day.seen(Refreshed))
        assert_no_assertion_was_sent_twice(day)


async def test_a_quiet_day_of_ten_second_tokens_never_misses_and_never_hurries(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=10) as day:
        answers = await day.poll(HOUR, every=5)
        assert day.statuses == {200: len(answers)}
        assert day.server.journal.total <= HOUR / 4


async def test_half_an_hour_of_outage_is_not_noticed_by_a_workload_with_hourly_tokens(tmp_path: Path) -> None:
    async with a_day(tmp_path) as day:
        await day.poll(10 * MINUTE)
        day.server.faults.set(Fault(status=503))
        await day.poll(30 * MINUTE)
        day.server.faults.clear()
        await day.poll(2 * HOUR)
        assert set(day.statuses) == {200}


@pytest.mark.parametrize("begins", [5, 20, 33, 36, 40, 55])
async def test_an_outage_as_long_as_the_lead_is_survived_whenever_it_begins(tmp_path: Path, begins: int) -> None:
    async with a_day(tmp_path) as day:
        await day.poll(begins * MINUTE)
        day.server.faults.set(Fault(reset=True))
        await day.poll(19 * MINUTE)
        day.server.faults.clear()
        await day.poll(HOUR)
        assert set(day.statuses) == {200}


async def test_a_long_outage_is_answered_503_after_expiry_and_recovers_by_itself(tmp_path: Path) -> None:
    async with a_day(tmp_path) as day:
        await day.poll(10 * MINUTE)
        day.server.faults.set(Fault(status=500))
        during = await day.poll(5 * HOUR)
        requests = day.server.journal.total
        day.server.faults.clear()
        ended = asyncio.get_running_loop().time()
        after = await day.poll(10 * MINUTE, every=10)
        assert [answer.status for answer in during] == sorted(answer.status for answer in during)
        assert all(answer.left >= 4 for answer in during if answer.status == 200)
        assert {answer.reason for answer in during if answer.status == 503} == {"server_error"}
        assert len(day.seen(TokenExpired)) == 1
        assert requests < 5 * 60 * 4
        assert min(answer.at for answer in after if answer.status == 200) - ended <= 71
        assert after[-1].status == 200


async def test_a_server_that_takes_eight_seconds_costs_no_answer(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=60) as day:
        day.server.faults.set(Fault(delay=8))
        answers = await day.poll(HOUR, every=7)
        assert set(day.statuses) == {200}
        assert min(answer.left for answer in answers) >= 15


async def test_a_rate_limit_is_obeyed_and_not_noticed(tmp_path: Path) -> None:
    """All are due while the server limits: one asks, and nobody else until the reset that this one was told."""
    async with a_day(tmp_path, lifetime=600, tokens=5) as day:
        names = tuple(f"t{i}" for i in range(5))
        await day.poll(4 * MINUTE, names=names)
        day.server.faults.set(Fault(limit_resets_in=60))
        before = day.server.journal.total
        await day.poll(4 * MINUTE, names=names)
        assert 2 <= day.server.journal.total - before <= 5
        day.server.faults.clear()
        await day.poll(HOUR, names=names)
        assert set(day.statuses) == {200}


async def test_retry_after_of_one_token_holds_back_the_whole_client(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=300, tokens=8) as day:
        await asyncio.sleep(100)
        before = day.server.journal.total
        day.server.faults.set(Fault(retry_after=100, times=1))
        # By now all eight have become due, between the 120th and the 150th second of their lives.
        await asyncio.sleep(60)
        assert day.server.journal.total - before == 1
        await day.poll(HOUR, names=tuple(f"t{i}" for i in range(8)))
        assert set(day.statuses) == {200}


@pytest.mark.parametrize("step", [240.0, -240.0])
async def test_a_step_of_the_wall_clock_is_corrected_by_the_servers_date(tmp_path: Path, step: float) -> None:
    async with a_day(tmp_path, lifetime=300) as day:
        await day.poll(10 * MINUTE)
        day.step = step
        await day.poll(HOUR)
        assert set(day.statuses) == {200}
        assert day.seen(RefreshFailed) == []
        assert day.seen(ClockMeasured)[-1].used
        assert day.seen(ClockMeasured)[-1].offset == pytest.approx(-step, abs=2)
        day.step = 0.0
        await day.poll(HOUR)
        assert set(day.statuses) == {200}
        assert not day.seen(ClockMeasured)[-1].used


@pytest.mark.parametrize("step", [7200.0, -7200.0])
async def test_a_step_too_large_to_believe_is_reported_and_no_valid_token_is_lost(tmp_path: Path, step: float) -> None:
    async with a_day(tmp_path) as day:
        await day.poll(10 * MINUTE)
        day.step = step
        await day.poll(45 * MINUTE)
        assert set(day.statuses) == {200}
        assert {event.diagnosis.reason for event in day.seen(RefreshFailed)} == {"clock"}
        assert day.seen(ClockMeasured)[-1].offset == pytest.approx(-step, abs=2)
        day.step = 0.0
        await day.poll(2 * HOUR)
        assert set(day.statuses) == {200}


async def test_expires_at_is_told_by_the_wall_clock_and_expires_in_is_not(tmp_path: Path) -> None:
    async with a_day(tmp_path) as day:
        before = await day.ask()
        day.step = 5000.0
        after = await day.ask()
        assert after.expires_in == before.expires_in
        assert after.expires_at - before.expires_at == 5000


async def test_a_rotated_key_is_used_by_the_next_assertion_and_costs_no_answer(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=300) as day:
        old = day.broker.clients["c"].keys.public_jwks()["keys"]
        await day.poll(10 * MINUTE)
        new = write_key(day.key_file, "k2")
        day.server.register("client", {"keys": [*old, new]}, {"read"})
        await day.poll(20 * MINUTE)
        day.server.register("client", {"keys": [new]}, {"read"})
        await day.poll(HOUR)
        assert set(day.statuses) == {200}
        assert day.seen(RefreshFailed) == []
        assert [event.kid for event in day.seen(KeyLoaded)] == ["k1", "k2"]
        assert {seen.kid for seen in list(day.server.journal.requests)[-5:]} == {"k2"}


async def test_a_broken_key_file_in_the_middle_of_the_day_is_not_noticed(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=300) as day:
        await day.poll(10 * MINUTE)
        day.key_file.write_text('{"kty": "EC", "crv"')
        await day.poll(HOUR)
        assert set(day.statuses) == {200}


async def test_an_answer_lost_after_the_work_is_asked_again_with_a_new_assertion(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=300) as day:
        day.server.faults.add(Fault(lose_answer=True, times=3))
        await day.poll(HOUR)
        assert set(day.statuses) == {200}
        assert len(day.seen(RefreshFailed)) == 3
        assert_no_assertion_was_sent_twice(day)


@pytest.mark.slow
async def test_two_hundred_tokens_through_an_hour_of_trouble_stay_within_the_contract(tmp_path: Path) -> None:
    """Every answer is a usable token or an honest 503; requests stay below one per token and refresh, plus retries."""
    async with a_day(tmp_path, lifetime=300, tokens=200) as day:
        names = tuple(f"t{i}" for i in range(0, 200, 20))
        for trouble in (
            None,
            Fault(status=503),
            Fault(limit_resets_in=30),
            Fault(hang=True),
            Fault(reset=True),
            Fault(lose_answer=True),
            None,
        ):
            day.server.faults.clear()
            if trouble:
                day.server.faults.set(trouble)
            await day.poll(HOUR / 7, every=20, names=names)
        assert set(day.statuses) <= {200, 503}
        assert all(answer.expires_in >= 1 and answer.left > 0 for answer in day.answers if answer.status == 200)
        assert [answer.status for answer in day.answers[-len(names) :]] == [200] * len(names)
        assert_no_assertion_was_sent_twice(day)
        # A quiet token of five minutes asks every two minutes at most; in each of the four stretches of trouble it asks
        # six times while it backs off and then, drawn from 1 to 60 s, every half minute on average.
        assert day.server.journal.total < 200 * (HOUR / 120) + 4 * 200 * (6 + HOUR / 7 / 30)
