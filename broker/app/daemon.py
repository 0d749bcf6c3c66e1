"""The broker as a process: event loop, signals, exit code, no core dump."""

import asyncio
import ctypes
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial

from broker.app.compose import Broker
from broker.core.defects import defect_of
from broker.core.errors import ConfigError
from broker.core.events import Observer, Stopping

STOPPING = ("SIGTERM", "SIGINT")
RELOAD = "SIGHUP"
PR_SET_DUMPABLE = 4
#: Enough for the connections of ten addresses; a shell often starts programs with 1,024.
MOST_FILES = 16384


def harden() -> None:
    """Disable core dumps and debugging by the same user, which would expose keys (Linux only)."""
    if sys.platform != "linux":
        return
    import resource  # noqa: PLC0415 - not on every platform

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # A core limit of 0 does not bind a crash handler that the kernel pipes to; this does (prctl(2)).
    ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def raise_file_limit() -> None:
    """Raise the soft limit of open files, so that connections leave descriptors for upstream requests."""
    try:
        import resource  # noqa: PLC0415 - not on every platform
    except ImportError:  # pragma: no cover - Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop factory if uvloop is installed; `None` selects asyncio's default."""
    try:
        from uvloop import new_event_loop  # noqa: PLC0415 - an extra
    except ImportError:
        return None
    return new_event_loop


class Signals:
    """Signal handling: a queue of stop signals, and reloads."""

    def __init__(self) -> None:
        #: Called for each reload signal; `None` until start-up is complete.
        self.on_reload: Callable[[], Awaitable[None]] | None = None
        self._reloads: set[asyncio.Future[None]] = set()
        self._stops: asyncio.Queue[str] = asyncio.Queue()
        for name in STOPPING:
            self._on(name, partial(self._stops.put_nowait, name))
        self._on(RELOAD, self._begin_reload)

    async def stop(self) -> str:
        """Wait for the next stop signal and return its name."""
        return await self._stops.get()

    def _on(self, name: str, react: Callable[[], None]) -> None:
        number = getattr(signal, name, None)
        if number is None:
            return
        loop = asyncio.get_running_loop()
        try:
            loop.add_signal_handler(number, react)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(react))

    def _begin_reload(self) -> None:
        if self.on_reload is None:
            return
        # The loop keeps only weak references to its tasks.
        task = asyncio.ensure_future(self.on_reload())
        self._reloads.add(task)
        task.add_done_callback(self._reloads.discard)


async def serve(broker: AbstractAsyncContextManager[Broker], log: Observer, *, drain: float) -> int:
    """Run until a stop signal, and return exit code 0; return 1 after a crash. Raises ConfigError.

    `drain` is the time in seconds to keep serving after the signal; a second signal ends it early.
    """
    signals = Signals()
    try:
        async with broker as running:
            signals.on_reload = running.reload
            crashed = asyncio.ensure_future(running.crashed())
            stop = asyncio.ensure_future(signals.stop())
            await asyncio.wait([stop, crashed], return_when=asyncio.FIRST_COMPLETED)
            if stopped := stop.done():
                running.observe(Stopping(signal=stop.result(), drain=drain))
                stop = asyncio.ensure_future(signals.stop())
                await asyncio.wait([stop, crashed], return_when=asyncio.FIRST_COMPLETED, timeout=drain)
            stop.cancel()
            crashed.cancel()
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - logged by type and place only
        log(defect_of(error))
        return 1
    return 0 if stopped else 1
