"""The sample workload as a process, and what it tells."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from broker.cli.demo import workload
from broker.cli.demo.tally import Call


@asynccontextmanager
async def calling(
    broker: str, api: str, *, called: Callable[[Call], None], ended: Callable[[], None]
) -> AsyncIterator[None]:
    """A workload that asks the broker at `broker` and calls `api`; killed afterwards. `ended`: it ended by itself."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",  # the file and the standard library, nothing of ours
        workload.__file__,
        api,
        env={**os.environ, "TOKEN_BROKER_URL": broker},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C reaches every process of the terminal's; this one is ended by us
    )
    reader = asyncio.create_task(_read(process, called, ended))
    try:
        yield
    finally:
        reader.cancel()
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _read(process: asyncio.subprocess.Process, called: Callable[[Call], None], ended: Callable[[], None]) -> None:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    while (line := await process.stdout.readline()).endswith(b"\n"):
        called(Call(**json.loads(line)))
    ended()
