"""Loops that never end: an unexpected exception costs one turn of one loop, never the process."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from broker.core.defects import contained, defect_of
from broker.core.events import Observer

#: Seconds until a loop that a defect has ended runs again, doubled each time; a run this long starts over.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


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
