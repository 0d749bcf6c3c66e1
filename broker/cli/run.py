"""`token-broker run`: the daemon."""

import os
import signal
import sys
from typing import NoReturn

import click

from broker.cli.config import CONFIG
from broker.cli.quick_imports import quick_imports


@click.command("run")
@CONFIG
@click.option("--dev", is_flag=True, help="Answer every client by the embedded server, with generated keys.")
def command(path: str | None, *, dev: bool) -> None:
    """Keep tokens fresh and hand them out.

    Listens at once and answers 503 until a token is held. SIGTERM and SIGINT stop it, SIGHUP re-reads keys, secrets and
    CA files. Exit code 0: asked to stop, 1: crashed, 2: configuration.
    """
    # As PID 1 a process without a handler ignores SIGTERM, and the imports below take a moment.
    signal.signal(signal.SIGTERM, _leave)
    signal.signal(signal.SIGINT, _leave)
    if sys.platform != "win32":
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with quick_imports():
        from broker.cli.serve import main  # noqa: PLC0415 - commands start fast

    main(path, os.environ, dev=dev)


def _leave(_signal: int, _frame: object) -> NoReturn:
    sys.exit(0)
