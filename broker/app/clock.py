"""Our own clock: it never steps, and suspension counts."""

import sys
import time
from collections.abc import Callable
from functools import partial

#: Seconds since boot, suspension included; elsewhere than on Linux the nearest to it.
BOOT_TIME: Callable[[], float] = time.monotonic
if sys.platform == "linux":
    BOOT_TIME = partial(time.clock_gettime, time.CLOCK_BOOTTIME)


def boot_clock(wall: Callable[[], float] = time.time, boot: Callable[[], float] = BOOT_TIME) -> Callable[[], float]:
    """Epoch seconds that never step: the boot-time clock, anchored once to the wall clock."""
    anchor = wall() - boot()
    return lambda: anchor + boot()
