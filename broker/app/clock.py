"""The boot-time clock: it never steps, and it includes suspension."""

import sys
import time
from collections.abc import Callable
from functools import partial

#: Seconds since boot, including suspension on Linux; the monotonic clock on other platforms.
BOOT_TIME: Callable[[], float] = time.monotonic
if sys.platform == "linux":
    BOOT_TIME = partial(time.clock_gettime, time.CLOCK_BOOTTIME)


def boot_clock(wall: Callable[[], float] = time.time, boot: Callable[[], float] = BOOT_TIME) -> Callable[[], float]:
    """Return a clock of epoch seconds that never steps: the boot-time clock, anchored once to the wall clock."""
    anchor = wall() - boot()
    return lambda: anchor + boot()
