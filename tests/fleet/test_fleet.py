"""Small fleets, with limits as small: what must hold for every fleet."""

from functools import cache

import pytest

from benchmarks.fleet.record import HOUR, MINUTE, Figures, Record
from benchmarks.fleet.scenarios import CALM, FEW, HIGH, LOW, PODS, Scenario, Scenarios, cycle

FLEET = 500
NAMES = sorted(Scenarios(FLEET).all())
SURVIVED = [
    "start, 600",
    "start, 2000",
    "day",
    "storm, 600",
    "storm, 2000",
    "outage of 15 minutes, 2000",
    "deploy, 600",
]


@cache
def ran(name: str) -> tuple[Scenario, Record, Figures]:
    scenario = Scenarios(FLEET).all()[name]
    record = scenario.run()
    return scenario, record, scenario.figures(record)


@pytest.mark.parametrize("name", NAMES)
def test_no_more_is_granted_than_the_limit_allows(name: str) -> None:
    scenario, record, _ = ran(name)
    for minute, granted in enumerate(record.per_minute("granted")):
        assert granted <= scenario.server.limit(minute * MINUTE)


@pytest.mark.parametrize("name", NAMES)
def test_every_pod_gets_its_first_token_and_has_one_at_the_end(name: str) -> None:
    scenario, record, _ = ran(name)
    assert len(record.waits) == len(scenario.lives)
    assert record.missing(MINUTE)[-1] == 0


@pytest.mark.parametrize("name", SURVIVED)
def test_no_token_is_missed_while_the_lead_suffices(name: str) -> None:
    _, _, figures = ran(name)
    assert figures.missed_pods == 0
    assert figures.missed == 0
    assert figures.least_left >= 0


@pytest.mark.parametrize(("name", "per_minute"), [("start, 600", LOW), ("start, 2000", HIGH)])
def test_all_have_a_token_after_pods_by_limit_minutes_and_the_spread_of_a_retry(name: str, per_minute: int) -> None:
    _, _, figures = ran(name)
    assert PODS / per_minute * MINUTE - MINUTE <= figures.wait_longest <= PODS / per_minute * MINUTE + 2 * MINUTE


def test_who_waits_asks_about_once_a_minute() -> None:
    _, record, _ = ran("start, 600")
    waiting = [FLEET - served for served in record.served(MINUTE)]
    for before, asked in zip(waiting, record.per_minute(), strict=False):
        assert asked <= before * 1.15 + 5


def test_a_start_is_smeared_over_the_day() -> None:
    _, record, _ = ran("day")
    # Five minutes at a time: a single one of such a small fleet is mostly chance.
    second_half = record.per_minute()[12 * 60 :]
    fives = [sum(second_half[first : first + 5]) for first in range(0, len(second_half), 5)]
    assert max(fives) / (sum(fives) / len(fives)) < 2


def test_a_fleet_asks_as_often_as_the_arithmetic_says() -> None:
    _, record, _ = ran("day")
    refreshes = record.per_minute("granted")[60:]
    assert sum(refreshes) / len(refreshes) == pytest.approx(FLEET * MINUTE / cycle(HOUR), rel=0.02)


def test_a_client_without_jitter_repeats_its_start_for_ever() -> None:
    _, _, plain = ran("day, plain")
    _, _, broker = ran("day")
    assert {hour.peak_second for hour in plain.hours[1:]} <= {0, HIGH * FLEET // PODS}
    assert max(hour.peak_second for hour in broker.hours[1:]) < HIGH * FLEET // PODS / 5


def test_after_a_storm_nobody_is_refused_any_more() -> None:
    _, _, figures = ran("storm, 2000")
    assert figures.limited > 0
    assert figures.cleared <= 1
    assert figures.limited_later == 0


def test_a_fleet_in_an_outage_asks_at_most_every_three_seconds_and_pod() -> None:
    """2 to 5 s between two probes, and only those that lost their token probe."""
    _, _, figures = ran("outage of 30 minutes, 600")
    assert figures.peak_minute <= FLEET * 20
    _, record, figures = ran("outage of 70 minutes, few")
    assert figures.peak_minute <= FEW * MINUTE / 3.5
    # From the tenth minute on 2 to 15 s.
    assert record.per_minute("failed")[(CALM + 69 * MINUTE) // MINUTE] <= FEW * MINUTE / 8


@pytest.mark.parametrize("outage", ["outage of 30 minutes, 600", "outage of 30 minutes, 2000"])
def test_probing_and_yielding_cost_no_refusals_and_save_time(outage: str) -> None:
    _, _, now = ran(outage)
    _, _, former = ran(f"{outage}, former")
    assert now.limited < 0.8 * former.limited
    assert now.missed < 0.9 * former.missed
    assert now.missed_longest <= former.missed_longest


def test_a_few_pods_are_back_within_seconds_of_the_servers_return() -> None:
    assert ran("outage of 30 minutes, few")[2].back <= 5.5
    assert ran("outage of 70 minutes, few")[2].back <= 15.5


def test_a_simulation_is_the_same_every_time() -> None:
    scenario, _, figures = ran("storm, 600")
    assert scenario.figures(scenario.run()) == figures
