import math

import pytest

from benchmarks.fleet.record import Record


def a_record() -> Record:
    record = Record(180)
    record.asked(0.5, "limited")
    record.asked(59.9, "granted")
    record.asked(60.0, "granted")
    record.asked(60.4, "failed")
    record.waits += [(0.0, 59.0), (1.0, 60.0), (2.0, 500.0)]
    record.gaps += [(30.0, 90.0), (89.0, 100.0)]
    record.renewals += [(90.0, -60.0), (100.0, -11.0), (150.0, 1200.0)]
    return record


def test_requests_are_counted_by_minute_and_outcome() -> None:
    assert a_record().per_minute() == [2, 2, 0]
    assert a_record().per_minute("granted") == [1, 1, 0]


def test_the_pods_that_miss_a_token_are_counted_at_a_moment() -> None:
    assert a_record().missing(30) == [0, 1, 1, 1, 0, 0, 0]


def test_the_pods_that_have_had_a_token_are_counted_at_a_moment() -> None:
    assert a_record().served(60) == [0, 1, 2, 2]


def test_the_tightest_replacement_of_each_minute_is_known() -> None:
    first, second, third = a_record().tightest()
    assert math.isnan(first)
    assert (second, third) == (-60.0, 1200.0)


def test_figures_are_those_since_something_happened() -> None:
    figures = a_record().figures(since=60, over=60)
    assert (figures.requests, figures.granted, figures.failed, figures.limited) == (2, 1, 1, 0)
    assert (figures.missed_pods, figures.missed_longest) == (1, 11.0)
    assert figures.cleared == 0
    assert figures.back == 0.0
    assert a_record().figures(over=60).back == 30.0


def test_a_wait_that_half_of_the_pods_do_not_exceed_is_the_median() -> None:
    figures = a_record().figures()
    assert (figures.wait_median, figures.wait_p99, figures.wait_longest) == (60.0, 500.0, 500.0)


def test_the_backlog_is_gone_with_the_first_minute_without_a_refusal() -> None:
    record = Record(300)
    for at in (60, 120, 240):
        record.asked(at, "limited")
    figures = record.figures(over=60)
    assert figures.cleared == 2
    assert figures.limited_later == 1


def test_missing_is_summed_in_minutes_over_pods() -> None:
    assert a_record().figures().missed == pytest.approx(71 / 60, abs=0.05)
