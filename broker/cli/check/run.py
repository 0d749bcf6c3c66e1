"""All clients side by side; their steps in the order of the configuration."""

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
    tell: Callable[[Step], None],
) -> None:
    """Tell every step as soon as those before it were told.

    `source` is the file that the settings are from, `warnings` are about what is permitted and unwise in it. Tokens
    that are granted are thrown away. Ends by itself: each request has a timeout.
    """
    tell(_configuration(settings, source))
    for warning in warnings:
        tell(Step(name="configuration", status="warning", detail=warning))
    queues: dict[str, asyncio.Queue[Step | None]] = {name: asyncio.Queue() for name in settings.clients}
    tasks = []
    for name, queue in queues.items():
        tokens = {token: each for token, each in settings.tokens.items() if each.client == name}
        chain = _chain(name, settings.clients[name], tokens, offline=offline, now=now, wall=wall, tell=queue.put_nowait)
        tasks.append(asyncio.ensure_future(chain))
        tasks[-1].add_done_callback(partial(_ended, queue))
    # Not a TaskGroup: what `tell` raises, when nobody reads any more, should leave as it is.
    try:
        for queue in queues.values():
            while (step := await queue.get()) is not None:
                tell(step)
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
    tell: Callable[[Step], None],
) -> None:
    """One client's; what nobody foresaw is a failed step too."""
    try:
        await Chain(name, settings, tokens, now=now, wall=wall, tell=tell).run(offline=offline)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other clients are looked at, and it is told
        tell(defect(error, name))


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
