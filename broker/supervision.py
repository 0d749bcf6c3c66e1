"""Defects stay where they happen: an unexpected exception costs one turn of one loop, never the process."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from broker.errors import place_of, root_of
from broker.events import Crashed, Observer

#: Seconds until a loop that a defect has ended runs again, doubled each time; a run this long starts over.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


def defect_of(error: BaseException) -> Crashed:
    """The event for an unexpected exception: its type and place, never its text."""
    bug = root_of(error)
    return Crashed(where=place_of(bug), error=type(bug).__name__)


@contextmanager
def contained(observe: Observer) -> Iterator[None]:
    """Report an unexpected exception as a defect instead of raising it."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever a defect raises
        observe(defect_of(error))


async def keep_running(loop: Callable[[], Coroutine[Any, Any, NoReturn]], observe: Observer) -> NoReturn:
    """Run `loop`, which never returns, and run it again after a pause whenever a defect has ended it."""
    clock = asyncio.get_running_loop().time
    pause = FIRST_PAUSE
    while True:
        began = clock()
        try:
            with contained(observe):
                await loop()
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            observe(defect_of(error))  # a library's own, which is not for us
        if clock() - began >= LONGEST_PAUSE:
            pause = FIRST_PAUSE
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
