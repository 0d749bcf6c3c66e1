"""A broker whose event loop writes down what keeps it: arguments are a file, then those of `token-broker`.

Each callback that took more than `NOTED` of the thread's CPU becomes a line of JSON. CPU and not time: a busy machine
stalls everyone. The loop is asyncio's, since uvloop's cannot be looked into; what it calls is the same.
"""

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

NOTED = 0.001  # seconds

sys.modules["uvloop"] = None  # type: ignore[assignment]  # as if it were not installed
record = Path(sys.argv.pop(1)).open("a", encoding="utf-8", buffering=1)  # noqa: SIM115 - for as long as the process
plain = asyncio.Handle._run  # noqa: SLF001 - there is no other place to stand
collecting = {"began": 0.0, "took": 0.0}


def collected(phase: str, _: dict[str, Any]) -> None:
    """Notes how long the garbage collector takes."""
    if phase == "start":
        collecting["began"] = time.thread_time()
    else:
        collecting["took"] += time.thread_time() - collecting["began"]


def watched(handle: asyncio.Handle) -> None:
    """Run a callback and write it down if it took long."""
    collecting["took"] = 0.0
    began = time.thread_time()
    plain(handle)
    took = time.thread_time() - began
    if took > NOTED:
        what, garbage = named(handle), collecting["took"]
        line = {"at": time.monotonic(), "cpu_ms": took * 1000, "garbage_ms": garbage * 1000, "what": what}
        record.write(json.dumps(line) + "\n")


def named(handle: asyncio.Handle) -> str:
    """What ran: the innermost coroutine of a task's step, or the name of a callback."""
    callback: Any = handle._callback  # type: ignore[attr-defined]  # noqa: SLF001 - typeshed knows less
    task = getattr(callback, "__self__", None)
    if isinstance(task, asyncio.Task):
        coroutine: Any = task.get_coro()
        return str(coroutine.__qualname__)
    return str(getattr(callback, "__qualname__", type(callback).__name__))


if __name__ == "__main__":
    from broker.__main__ import main

    gc.callbacks.append(collected)
    asyncio.Handle._run = watched  # type: ignore[assignment,method-assign]  # noqa: SLF001 - as above
    main()
