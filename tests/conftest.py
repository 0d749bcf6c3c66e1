"""What every test shares."""

import asyncio
import os

from hypothesis import HealthCheck, settings

# Otherwise pytest-asyncio's first look at "the current loop" makes one that nobody closes, and the ResourceWarning for
# it surfaces in whatever test the garbage collector happens to run.
asyncio.set_event_loop(None)

# The shared machines of CI stall for longer than hypothesis' deadline; what is bounded is the number of examples.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
