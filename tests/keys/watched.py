"""Key files that are watched, who is told about them, and what was told."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from broker.core.events import CertificateExpiring, Event, KeyLoaded, KeyRefused, KeyRetired
from broker.core.settings import KeySettings
from broker.keys.watch import KeyFiles
from key_forms import jwk


def text(key: Any, **members: object) -> bytes:
    return json.dumps(jwk(key, **members)).encode()


class Watched:
    """`wall` is the clock that certificates expire by."""

    def __init__(self, *entries: KeySettings, algorithms: tuple[str, ...] = (), wall: float = 1.8e9) -> None:
        self.events: list[Event] = []
        self.changes = 0
        self.wall = wall
        self.keys = KeyFiles(
            "c",
            entries,
            provider="generic",
            algorithms=algorithms,
            observe=self.events.append,
            wall=lambda: self.wall,
        )
        self.keys.subscribe(self.changed)

    def changed(self) -> None:
        self.changes += 1

    def loaded(self) -> list[str | None]:
        return [event.kid for event in self.events if isinstance(event, KeyLoaded)]

    def refused(self) -> list[KeyRefused]:
        return [event for event in self.events if isinstance(event, KeyRefused)]

    def retired(self) -> list[str | None]:
        return [event.kid for event in self.events if isinstance(event, KeyRetired)]

    def expiring(self) -> list[int]:
        return [event.days_left for event in self.events if isinstance(event, CertificateExpiring)]

    def kids(self) -> list[str | None]:
        """Of the keys that the files hold."""
        return [state.signer.kid for state in self.keys.states() if state.signer]

    def order(self) -> list[str | None]:
        """Of the keys to use, those to fall back on included."""
        return [signer.kid for signer in self.keys.signers()]


@asynccontextmanager
async def watched(*entries: KeySettings, wall: float = 1.8e9) -> AsyncIterator[Watched]:
    it = Watched(*entries, wall=wall)
    await it.keys.load()
    task = asyncio.create_task(it.keys.watch())
    try:
        yield it
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object]) -> None:
    """Time is virtual but threads are not: give them real seconds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(1)


async def quiet_minutes(count: int = 5) -> None:
    """Virtual ones, with time for the threads that read."""
    for _ in range(count * 60):
        await asyncio.sleep(1)
        time.sleep(0.0005)  # noqa: ASYNC251 - lets a thread finish within its virtual second


def replace(file: Path, content: bytes) -> None:
    """In one step, as careful writers do."""
    new = file.with_suffix(".new")
    new.write_bytes(content)
    new.rename(file)
