"""What `run` does, apart so that `--help` and completion need not import it."""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import NoReturn

from broker.app.clock import boot_clock
from broker.app.compose import Broker, running, watch_config
from broker.app.daemon import harden, loop_factory, raise_file_limit, serve
from broker.config import resolve
from broker.config.resolve import Configuration
from broker.config.rules import warnings
from broker.core.events import Observer, Warned
from broker.observers.line_queue import LineQueue
from broker.observers.log import LibraryHandler, Log, stdout


def main(path: str | None, environ: Mapping[str, str], *, dev: bool) -> NoReturn:
    """Be the daemon until it ends. Raises ConfigError."""
    harden()
    raise_file_limit()
    configuration = resolve.read(path, environ)
    settings = configuration.settings
    now = boot_clock()
    lines = LineQueue(stdout())
    log = Log(lines, settings.log, now=now, wall=time.time)
    lines.start(log.mention_dropped)
    try:
        logging.basicConfig(handlers=[LibraryHandler(log)], level=logging.WARNING)
        # Not in a `with`: closing it would wait for threads, which may be stuck in a resolver or on a lost mount.
        runner = asyncio.Runner(loop_factory=loop_factory())
        broker = _broker(configuration, log, lines, now, dev=dev)
        code = runner.run(serve(broker, log, drain=settings.shutdown.drain))
    finally:
        lines.close()
    os._exit(code)


@asynccontextmanager
async def _broker(
    configuration: Configuration, log: Observer, lines: LineQueue, now: Callable[[], float], *, dev: bool
) -> AsyncIterator[Broker]:
    settings, file = configuration.settings, configuration.file
    async with AsyncExitStack() as stack:
        if dev:
            from broker.cli.embedded import embedded  # noqa: PLC0415 - or every pod would pay for it

            settings, _ = await stack.enter_async_context(embedded(settings))
        broker = await stack.enter_async_context(running(settings, observers=[log], now=now))
        broker.metrics.log_lines_dropped.read = lambda: lines.dropped
        for detail in warnings(settings):
            broker.observe(Warned(detail=detail))
        if dev:
            broker.observe(Warned(detail="--dev: tokens are the embedded server's, the keys are made up"))
        if file:
            broker.loop(partial(watch_config, file.path, file.changed, broker.observe), "configuration file")
        yield broker
