"""How often a token may be replaced because workloads want it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from broker.refresh.budget import LONGEST, SHORTEST, Budget


def taken_at(budget: Budget, seconds: range) -> list[int]:
    """When it was granted, of who asks every second and has each token rejected at once."""
    granted = []
    for now in seconds:
        if budget.take(now):
            granted.append(now)
            budget.wasted()
    return granted


def test_the_first_is_granted_at_once_and_the_next_after_half_a_minute() -> None:
    budget = Budget()
    assert [budget.take(now) for now in (0, 0, 29.9, 30, 59, 60)] == [True, False, False, True, False, True]


def test_while_they_are_of_no_use_they_are_granted_ever_more_seldom() -> None:
    granted = taken_at(Budget(), range(6000))
    gaps = [after - before for before, after in pairwise(granted)]
    assert gaps == [30, 60, 120, 240, 480, 900, 900, 900, 900, 900]


def test_one_that_was_of_use_makes_up_for_those_before() -> None:
    budget = Budget()
    taken_at(budget, range(2000))
    budget.lived()
    assert not budget.take(0), "not within half a minute of the last one all the same"
    assert [budget.take(now) for now in (2000, 2029, 2030)] == [True, False, True]


STEPS = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from(["take", "take", "take", "wasted", "lived"])), max_size=60
)


@given(STEPS)
def test_no_two_are_ever_granted_within_half_a_minute(steps: list[tuple[int, str]]) -> None:
    budget, now, granted = Budget(), 0, []
    for pause, step in steps:
        now += pause
        if step == "take":
            granted += [now] if budget.take(now) else []
        else:
            getattr(budget, step)()
    assert all(after - before >= SHORTEST for before, after in pairwise(granted))


@given(STEPS)
def test_nobody_is_ever_turned_away_for_longer_than_a_quarter_of_an_hour(steps: list[tuple[int, str]]) -> None:
    budget, now = Budget(), 0.0
    for pause, step in steps:
        now += pause
        budget.take(now) if step == "take" else getattr(budget, step)()
    assert budget.take(now + LONGEST)


@given(STEPS, st.integers(1, 20))
def test_after_so_many_in_vain_the_next_is_twice_as_far_each_time(steps: list[tuple[int, str]], vain: int) -> None:
    budget, now = Budget(), 0.0
    for pause, step in steps:
        now += pause
        budget.take(now) if step == "take" else getattr(budget, step)()
    budget.lived()
    now += LONGEST
    assert budget.take(now)
    for count in range(vain):
        budget.wasted()
        gap = min(SHORTEST * 2**count, LONGEST)
        assert not budget.take(now + gap - 0.001)
        now += gap
        assert budget.take(now)
