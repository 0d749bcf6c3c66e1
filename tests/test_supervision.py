"""Loops that go on after a defect, in virtual time."""

import asyncio
from typing import NoReturn

import pytest

from broker.app.supervision import LONGEST_PAUSE, keep_running
from broker.core.defects import contained
from broker.core.events import Crashed, Event

pytestmark = pytest.mark.looptime


def test_a_defect_is_reported_by_type_and_place_only() -> None:
    def bug() -> None:
        raise ZeroDivisionError("secret")

    events: list[Event] = []
    with contained(events.append):
        bug()
    (event,) = events
    assert isinstance(event, Crashed)
    assert event.error == "ZeroDivisionError"
    assert event.where.startswith("test_supervision.py:")
    assert "secret" not in repr(event)


async def starts_of(loop_seconds: float, error: BaseException, *, within: float) -> tuple[list[float], list[Event]]:
    """When a loop was started that raises `error` after `loop_seconds`, and what was observed."""
    starts: list[float] = []
    events: list[Event] = []

    async def loop() -> NoReturn:
        starts.append(asyncio.get_running_loop().time())
        await asyncio.sleep(loop_seconds)
        raise error

    task = asyncio.create_task(keep_running(loop, events.append))
    await asyncio.sleep(within)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert task.cancelled()
    return [start - starts[0] for start in starts], events


async def test_a_loop_with_a_defect_runs_again_with_growing_pauses() -> None:
    starts, events = await starts_of(0, KeyError(), within=200)
    assert starts == [0, 1, 3, 7, 15, 31, 63, 123, 183]
    assert len(events) == len(starts)


async def test_pauses_are_short_again_after_a_long_run() -> None:
    starts, _ = await starts_of(LONGEST_PAUSE, KeyError(), within=200)
    assert starts == [0, 61, 122, 183]


async def test_a_cancellation_that_nobody_asked_for_ends_no_loop() -> None:
    starts, events = await starts_of(0, asyncio.CancelledError(), within=2)
    assert (starts, len(events)) == ([0, 1], 2)
