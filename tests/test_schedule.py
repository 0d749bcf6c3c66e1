"""When to refresh and when to retry."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.core.durations import Ahead
from broker.core.tokens import Token
from broker.refresh.schedule import (
    after_fault,
    after_limit,
    after_refusal,
    attempt_at,
    lead,
    probe_pause,
    refresh_at,
    shortest_pause,
)
from each_case import for_each

AUTO = Ahead("auto")
lifetimes = st.floats(min_value=1.0, max_value=315_360_000.0)
draws = st.floats(min_value=0.0, max_value=1.0, exclude_max=True)
aheads = st.one_of(
    st.just(AUTO),
    st.integers(0, 200).map(lambda share: Ahead(f"{share}%")),
    st.integers(0, 10**6).map(lambda seconds: Ahead(f"{seconds}s")),
)


def a_token(lifetime: float, *, refresh_in: float | None = None, issued_at: float = 0.0) -> Token:
    return Token(
        access_token="t", token_type="Bearer", scope="", issued_at=issued_at, lifetime=lifetime, refresh_in=refresh_in
    )


@for_each(
    ("lifetime", "expected"),
    [(1, 0.5), (60, 30), (300, 150), (599, 299.5), (600, 300), (900, 300), (1200, 400), (3600, 1200), (86400, 3600)],
)
def test_the_lead_follows_the_lifetime(lifetime: float, expected: float) -> None:
    assert lead(lifetime, AUTO) == expected


@pytest.mark.parametrize(("written", "expected"), [("5m", 300), ("20%", 720), ("2h", 3240), ("100%", 3240), ("0s", 0)])
def test_an_explicit_lead_is_taken_as_said_up_to_nine_tenths(written: str, expected: float) -> None:
    assert lead(3600, Ahead(written)) == pytest.approx(expected)


def test_the_refresh_point_lies_between_the_lead_and_the_lead_and_a_tenth() -> None:
    assert refresh_at(a_token(3600), AUTO, 0.0) == 2400
    assert refresh_at(a_token(3600), AUTO, 0.999999) == pytest.approx(2040, abs=0.01)


def test_the_spread_is_at_most_half_an_hour() -> None:
    assert refresh_at(a_token(864_000), AUTO, 0.999999) == pytest.approx(864_000 - 3600 - 1800, abs=0.01)


def test_refresh_in_from_the_server_brings_the_refresh_forward() -> None:
    assert refresh_at(a_token(3600, refresh_in=1800), AUTO, 0.0) == 1800


def test_refresh_in_from_the_server_never_puts_the_refresh_off() -> None:
    assert refresh_at(a_token(3600, refresh_in=3599), AUTO, 0.0) == 2400


@given(lifetimes, aheads, draws, st.none() | st.floats(min_value=0.001, max_value=1e6))
def test_a_refresh_comes_neither_before_the_token_nor_within_its_lead(
    lifetime: float, ahead: Ahead, draw: float, refresh_in: float | None
) -> None:
    at = refresh_at(a_token(lifetime, refresh_in=refresh_in), ahead, draw)
    assert 0 <= at <= lifetime - lead(lifetime, ahead)
    if refresh_in is not None:
        assert at <= refresh_in


@for_each(("lifetime", "expected"), [(1, 0.25), (2, 0.5), (10, 1), (60, 3), (300, 15), (3600, 30), (86400, 30)])
def test_between_two_refreshes_there_is_a_pause(lifetime: float, expected: float) -> None:
    assert shortest_pause(lifetime) == expected


@pytest.mark.parametrize(("lifetime", "asked"), [(86_400, 600), (2_592_000, 3600), (315_360_000, 86_400)])
def test_refresh_in_is_obeyed_however_long_the_token_lives(lifetime: float, asked: float) -> None:
    assert refresh_at(a_token(lifetime, refresh_in=asked), AUTO, 0.0) == asked
    assert refresh_at(a_token(lifetime, refresh_in=asked), AUTO, 0.999) >= 0.9 * asked


@given(lifetimes, draws)
def test_with_auto_at_least_half_of_a_short_life_or_five_minutes_is_left_for_retries(
    lifetime: float, draw: float
) -> None:
    left = lifetime - refresh_at(a_token(lifetime), AUTO, draw)
    assert left >= min(lifetime / 2, 300.0) - 1e-6


@given(st.integers(1, 10_000), st.floats(-1e6, 1e6), draws)
def test_a_fault_is_retried_after_one_second_at_the_soonest_and_five_minutes_at_the_latest(
    attempt: int, left: float, draw: float
) -> None:
    assert 1.0 <= after_fault(attempt, left, draw) <= 300.0


@for_each(
    ("attempt", "left", "longest"),
    [(1, 0, 2), (2, 0, 4), (3, 0, 8), (6, 0, 60), (50, 0, 60), (50, 100, 60), (50, 800, 200), (50, 86400, 300)],
)
def test_faults_back_off_exponentially_and_slower_when_a_token_is_held(
    attempt: int, left: float, longest: float
) -> None:
    assert after_fault(attempt, left, 1.0) == longest
    assert after_fault(attempt, left, 0.0) == 1.0


@for_each(
    ("asked", "left", "expected"),
    [(0, 0, 1), (20, 0, 20), (600, 0, 60), (20, 100, 20), (90, 100, 50), (900, 9000, 900), (9000, 9000, 3600)],
)
def test_what_a_server_in_trouble_asks_for_is_granted_as_far_as_it_costs_no_token(
    asked: float, left: float, expected: float
) -> None:
    assert after_fault(1, left, 0.0, asked) == expected


@for_each(("left", "expected"), [(0, 15), (-5, 15), (40, 15), (100, 25), (1200, 300), (10_000, 300)])
def test_what_a_person_must_mend_is_retried_at_a_quarter_of_the_time_left(left: float, expected: float) -> None:
    assert after_refusal(left) == expected


def test_a_rate_limit_is_spread_over_the_minute_after_the_reset() -> None:
    assert after_limit(30, 0, 0.0) == 31
    assert after_limit(30, 0, 0.5) == 61


@given(st.floats(0, 100), st.floats(4, 1e6), draws)
def test_a_rate_limited_holder_keeps_half_of_its_time(asked: float, left: float, draw: float) -> None:
    assert after_limit(asked, left, draw) <= max(left / 2, asked + 1 + 5)


@given(st.floats(0, 3500), st.floats(-10, 1e6), draws)
def test_a_rate_limit_is_obeyed_even_beyond_half_of_what_is_left(asked: float, left: float, draw: float) -> None:
    assert after_limit(asked, left, draw) >= asked + 1


@pytest.mark.parametrize(
    ("asked", "left", "soonest", "latest"),
    [(30, 1000, 31, 500), (30, 3000, 31, 631), (0, 20, 1, 10), (30, 70, 31, 36), (200, 300, 201, 206)],
)
def test_a_rate_limited_holder_yields_to_those_without_a_token(
    asked: float, left: float, soonest: float, latest: float
) -> None:
    assert after_limit(asked, left, 0.0) == soonest
    assert after_limit(asked, left, 1.0) == latest


@given(st.floats(0, 3e9), draws)
def test_a_probing_attempt_comes_after_two_to_five_seconds_later_fifteen(absent: float, draw: float) -> None:
    assert 2 <= probe_pause(absent, draw) <= (5 if absent < 600 else 15)


def test_probing_attempts_become_rarer_after_ten_minutes() -> None:
    assert probe_pause(599, 0.5) == 3.5
    assert probe_pause(600, 0.5) == 8.5


@given(st.floats(0, 1e6), st.floats(0, 1e6) | st.just(math.inf), st.floats(-1e6, 1e6))
def test_demand_brings_an_attempt_forward_and_never_puts_it_off(
    next_at: float, probe_at: float, wanted_until: float
) -> None:
    due = attempt_at(next_at, probe_at, wanted_until)
    assert due == (min(next_at, probe_at) if wanted_until >= probe_at else next_at)


def test_those_who_must_wait_beyond_half_of_what_is_left_do_not_come_back_in_step() -> None:
    assert after_limit(30, 40, 0.0) == 31
    assert after_limit(30, 40, 0.5) == 33.5


def test_a_rate_limit_is_obeyed_for_an_hour_at_most() -> None:
    assert after_limit(86_400, 0, 0.0) == 3600


@given(st.floats(0, 1e9), st.floats(-1e6, 1e6), draws)
def test_a_rate_limit_never_makes_a_busy_loop(asked: float, left: float, draw: float) -> None:
    assert 1.0 <= after_limit(asked, left, draw) <= 3600.0
