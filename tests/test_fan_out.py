"""What happens is told to everyone whom it concerns, whatever one of them does."""

from typing import NoReturn

from broker.app.fan_out import FanOut
from broker.core.events import Crashed, Event, HandedOut, Refused, Served, Warned

SERVED = Served(route="/v1/token", code=200, seconds=None)


class Choosy(list[Event]):
    """An observer that is not told of requests."""

    ignores = frozenset({Served, HandedOut})

    def __call__(self, event: Event) -> None:
        self.append(event)


def broken(_: Event) -> NoReturn:
    raise ZeroDivisionError


def test_an_event_reaches_every_observer_in_order() -> None:
    seen: list[str] = []
    FanOut([lambda _: seen.append("a"), lambda _: seen.append("b")])(Warned(detail=""))
    assert seen == ["a", "b"]


def test_what_an_observer_ignores_is_told_to_the_others_alone() -> None:
    everything: list[Event] = []
    choosy = Choosy()
    observe = FanOut([choosy, everything.append])
    for event in (SERVED, Refused(reason="host"), SERVED):
        observe(event)
    assert choosy == [Refused(reason="host")]
    assert everything == [SERVED, Refused(reason="host"), SERVED]


def test_the_failure_of_an_observer_costs_no_other_its_turn_and_is_told() -> None:
    before: list[Event] = []
    after: list[Event] = []
    FanOut([before.append, broken, after.append])(SERVED)
    crashed = Crashed(where="observer function", error="ZeroDivisionError")
    assert before == [SERVED, crashed]
    assert after == [crashed, SERVED]


def test_an_observer_that_fails_again_when_it_is_told_of_its_failure_is_left_alone() -> None:
    seen: list[Event] = []
    FanOut([broken, broken, seen.append])(SERVED)
    assert len(seen) == 3
    assert seen[-1] == SERVED


def test_nobody_need_watch() -> None:
    FanOut([])(SERVED)
