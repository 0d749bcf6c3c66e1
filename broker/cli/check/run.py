"""Check all clients concurrently; emit their steps in the order of the configuration."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial

from broker.cli.check.chain import Chain
from broker.cli.check.report import Step, defect
from broker.core.settings import ClientSettings, Settings, TokenSettings


async def check(
    settings: Settings,
    *,
    source: str | None,
    warnings: Iterable[str],
    offline: bool,
    now: Callable[[], float],
    wall: Callable[[], float],
    emit: Callable[[Step], None],
) -> None:
    """Emit every step in order, as soon as it is complete.

    `source` is the file that the settings are from, `warnings` name its permitted but unwise values.
    Granted tokens are discarded. The duration is bounded: each request has a timeout.
    """
    emit(_configuration(settings, source))
    for warning in warnings:
        emit(Step(name="configuration", status="warning", detail=warning))
    queues: dict[str, asyncio.Queue[Step | None]] = {name: asyncio.Queue() for name in settings.clients}
    tasks = []
    for name, queue in queues.items():
        tokens = {token: each for token, each in settings.tokens.items() if each.client == name}
        chain = _chain(name, settings.clients[name], tokens, offline=offline, now=now, wall=wall, emit=queue.put_nowait)
        tasks.append(asyncio.ensure_future(chain))
        tasks[-1].add_done_callback(partial(_ended, queue))
    # Not a TaskGroup, which would wrap an exception that `emit` raises on a closed pipe.
    try:
        for queue in queues.values():
            while (step := await queue.get()) is not None:
                emit(step)
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _chain(
    name: str,
    settings: ClientSettings,
    tokens: Mapping[str, TokenSettings],
    *,
    offline: bool,
    now: Callable[[], float],
    wall: Callable[[], float],
    emit: Callable[[Step], None],
) -> None:
    """Check one client. An unexpected exception becomes a failed step."""
    try:
        await Chain(name, settings, tokens, now=now, wall=wall, emit=emit).run(offline=offline)
    except Exception as error:  # noqa: BLE001 - reported; the other clients are still checked
        emit(defect(error, name))


def _ended(queue: asyncio.Queue[Step | None], _task: asyncio.Task[None]) -> None:
    queue.put_nowait(None)


def _configuration(settings: Settings, source: str | None) -> Step:
    counts = f"{_count(settings.clients, 'client')}, {_count(settings.tokens, 'token')}"
    return Step(
        name="configuration",
        status="ok",
        detail=f"{source or 'from the environment'}: {counts}",
        facts={"file": source, "clients": list(settings.clients), "tokens": list(settings.tokens)},
    )


def _count(things: Collection[str], word: str) -> str:
    number = len(things)
    return f"{number} {word}{'' if number == 1 else 's'}"
