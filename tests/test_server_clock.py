"""What is believed of the server's clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.oauth.server_clock import ServerClock, ahead_of

NOON = 1_795_435_200.0  # Mon, 23 Nov 2026 12:00:00 GMT
DATE = {"Date": "Mon, 23 Nov 2026 12:00:00 GMT"}


def test_the_difference_is_measured_against_the_middle_of_the_round_trip() -> None:
    assert ahead_of(DATE, sent_at=NOON - 101, received_at=NOON - 99) == 100.5


@pytest.mark.parametrize(
    ("headers", "sent", "received"),
    [
        ({}, NOON, NOON),
        ({"Date": "yesterday"}, NOON, NOON),
        ({**DATE, "Age": "3"}, NOON, NOON),
        (DATE, NOON - 5, NOON),
    ],
)
def test_no_date_a_cached_answer_and_a_slow_one_tell_nothing(
    headers: dict[str, str], sent: float, received: float
) -> None:
    assert ahead_of(headers, sent_at=sent, received_at=received) is None


def test_one_sample_is_reported_and_not_used() -> None:
    clock = ServerClock(300)
    clock.measured(60)
    assert clock.offset(now=NOON, wall=NOON) == 60
    assert clock.correction(now=NOON, wall=NOON) == 0


def test_two_agreeing_samples_are_used() -> None:
    clock = ServerClock(300)
    clock.measured(60)
    clock.measured(61)
    assert clock.correction(now=NOON, wall=NOON) == 61


def test_two_samples_that_disagree_are_not_used() -> None:
    clock = ServerClock(300)
    clock.measured(60)
    clock.measured(90)
    assert clock.correction(now=NOON, wall=NOON) == 0


def test_a_single_wild_sample_does_not_undo_what_two_have_shown() -> None:
    clock = ServerClock(300)
    for sample in (60, 60, -120):
        clock.measured(sample)
    assert clock.correction(now=NOON, wall=NOON) == 60


def test_after_a_clock_refusal_one_sample_is_enough() -> None:
    clock = ServerClock(300)
    clock.measured(60)
    clock.refused()
    assert clock.correction(now=NOON, wall=NOON) == 60


def test_a_refusal_without_a_date_changes_nothing() -> None:
    clock = ServerClock(300)
    clock.refused()
    assert clock.correction(now=NOON, wall=NOON) == 0
    assert clock.offset(now=NOON, wall=NOON) is None


@pytest.mark.parametrize("offset", [1.75, -1.75, 301, -301])
def test_noise_and_offsets_beyond_the_limit_are_only_reported(offset: float) -> None:
    clock = ServerClock(300)
    clock.measured(offset)
    clock.measured(offset)
    assert clock.correction(now=NOON, wall=NOON) == 0
    assert clock.offset(now=NOON, wall=NOON) == offset


def test_a_step_of_our_wall_clock_is_known_at_once() -> None:
    """The broker's clock was right; then somebody set the wall clock back by a minute."""
    clock = ServerClock(300)
    clock.measured(0)
    clock.measured(0)
    assert clock.correction(now=NOON, wall=NOON) == 0
    assert clock.correction(now=NOON, wall=NOON - 60) == 60


def test_a_repaired_wall_clock_needs_no_correction_any_more() -> None:
    clock = ServerClock(300)
    clock.measured(60)
    clock.measured(60)
    assert clock.correction(now=NOON, wall=NOON + 60) == 0


@given(st.lists(st.floats(-1e6, 1e6), max_size=20), st.floats(-1e6, 1e6))
def test_a_correction_is_never_larger_than_the_limit(samples: list[float], step: float) -> None:
    clock = ServerClock(300)
    for sample in samples:
        clock.measured(sample)
    assert abs(clock.correction(now=NOON, wall=NOON + step)) <= 300
