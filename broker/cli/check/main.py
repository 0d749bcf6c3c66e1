"""What `check` does, apart so that `--help` and completion need not import it."""

import asyncio
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

import click
from msgspec.structs import replace

from broker.app.clock import boot_clock
from broker.app.daemon import harden
from broker.cli.check.as_json import as_json as object_of
from broker.cli.check.report import Step, defect, passed
from broker.cli.check.run import check
from broker.cli.check.text import Printer, plain
from broker.config import resolve
from broker.config.resolve import Configuration
from broker.config.rules import warnings
from broker.core.errors import ConfigError
from broker.core.settings import CallerSettings, Settings
from broker.workload_api.callers.registry import Callers

#: Longer lines are hard to read, however wide the terminal; in narrower ones than this they break by themselves.
WIDEST, NARROWEST = 80, 50
INTERRUPTED = 130


def main(path: str | None, *, offline: bool, as_json: bool) -> NoReturn:
    """Check, print, leave. Raises ConfigError, unless that is to be told as JSON."""
    harden()
    try:
        configuration = resolve.read(path, os.environ)
        # Not in a `with`: closing it would wait for threads, which may be stuck in a resolver or on a lost mount.
        runner = asyncio.Runner()
        code = runner.run(_checked(configuration, offline=offline, as_json=as_json))
    except ConfigError as error:
        if not as_json:
            raise
        refused = [Step(name="configuration", status="failed", detail=complaint) for complaint in error.complaints]
        _echo_json(refused, offline=offline)
        code = 2
    except KeyboardInterrupt:
        code = INTERRUPTED
    sys.stdout.flush()
    os._exit(code)


async def _checked(configuration: Configuration, *, offline: bool, as_json: bool) -> int:
    settings, file = configuration.settings, configuration.file
    steps: list[Step] = []
    printer = None if as_json else _printer(settings)

    def emit(step: Step) -> None:
        steps.append(step)
        if printer:
            printer.emit(step)

    source = file.path if file else None
    try:
        await _look_at_callers(settings)
        await check(
            settings,
            source=source,
            warnings=warnings(settings),
            offline=offline,
            now=boot_clock(),
            wall=time.time,
            emit=emit,
        )
    except ConfigError:
        raise
    except Exception as error:  # noqa: BLE001 - reported; on a closed pipe, `emit` raises again
        emit(defect(error))
    if printer:
        printer.end(steps, offline=offline)
    else:
        _echo_json(steps, offline=offline)
    return 0 if passed(steps) else 1


async def _look_at_callers(settings: Settings) -> None:
    """Raises ConfigError for callers' secrets that `run` would not start with; none is created here."""
    callers = {name: _as_it_is(caller) for name, caller in settings.api.callers.items()}
    await Callers(callers, settings.tokens, observe=lambda _: None).load()


def _as_it_is(caller: CallerSettings) -> CallerSettings:
    to_be_made = caller.create and caller.secret_file and not Path(caller.secret_file).exists()
    return replace(caller, create=False, secret_file=None if to_be_made else caller.secret_file)


def _echo_json(steps: Iterable[Step], *, offline: bool) -> None:
    click.echo(json.dumps(object_of(list(steps), offline=offline), indent=2, ensure_ascii=False))


def _printer(settings: Settings) -> Printer:
    """Colours on a terminal, unless NO_COLOR is set."""
    colours = sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    width = max(NARROWEST, min(WIDEST, shutil.get_terminal_size().columns))
    return Printer(click.echo, settings.clients, width=width, paint=_colour if colours else plain)


def _colour(text: str, style: str) -> str:
    if style == "dim":
        return click.style(text, dim=True)
    return click.style(text, fg=None if style == "bold" else style, bold=style in {"bold", "red"} or None)
