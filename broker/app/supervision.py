"""Supervision of endless loops: an unexpected exception restarts one loop and never ends the process."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from broker.core.defects import contained, defect_of
from broker.core.events import Observer

#: Seconds until a failed loop restarts, doubled each time; a run of `LONGEST_PAUSE` resets the pause.
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0


async def keep_running(loop: Callable[[], Coroutine[Any, Any, NoReturn]], observe: Observer) -> NoReturn:
    """Run `loop`, and restart it after a pause whenever it ends with an unexpected exception."""
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
            observe(defect_of(error))  # raised by a library: this task is not being cancelled
        if clock() - began >= LONGEST_PAUSE:
            pause = FIRST_PAUSE
        await asyncio.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
