"""argv -> command. Each command is imported when it is asked for, so that `token` in a shell loop stays quick."""

import importlib
import os
import sys
import traceback
from contextlib import suppress

import click

from broker import __version__
from broker.core.errors import ConfigError

#: The commands in the order of `--help`; each is `command` in the module of its name under `broker.cli`.
COMMANDS = {
    "run": "Keep tokens fresh and hand them out.",
    "demo": "See it work on this machine, no account needed.",
    "check": "Try the whole chain once, and say what to mend.",
    "token": "Ask a running broker for a token.",
    "keygen": "Make a key pair.",
    "jwks": "Print the public keys of a client.",
    "config": "Show the effective configuration or its schema.",
    "dev-server": "The embedded authorization server alone.",
    "healthcheck": "Exit 0 when a running broker is ready.",
    "completion": "Print the completion script of a shell.",
}


class Commands(click.Group):
    """Imports a command's module at its first use, and renders configuration errors in one place."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command, imported."""
        if cmd_name not in COMMANDS:
            return None
        command = importlib.import_module(f"broker.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)  # noqa: S101 - a promise between this module and those
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """The list in `--help`, without importing every command."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a configuration that cannot be used is exit code 2 and one sentence a complaint."""
        try:
            return super().invoke(ctx)
        except ConfigError as error:
            for complaint in error.complaints:
                click.echo(f"token-broker: {complaint}", err=True)
            ctx.exit(2)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="token-broker", message="%(prog)s %(version)s")
def cli() -> None:
    """Hands OAuth 2.0 access tokens to workloads that must never see the key."""


def main() -> None:
    """The `token-broker` program; what it cannot print is one sentence on stderr and exit code 1."""
    if sys.__stdout__ is None:
        # Closed by whoever started us: click would print into nothing and call it a success, and the next file to be
        # opened would be descriptor 1. What is open for reading only fails at the first word.
        sys.stdout = open(os.open(os.devnull, os.O_RDONLY), "w", closefd=False)  # noqa: SIM115 - a descriptor
    try:
        cli(prog_name="token-broker")
    except OSError as error:  # a broken pipe never comes here: click leaves quietly
        if not _was_printing(error):
            raise
        # What is left in the buffer would be tried again at exit, and end in another exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        reason = "it is closed" if sys.__stdout__ is None else error.strerror
        with suppress(OSError):
            click.echo(f"token-broker: standard output cannot be written: {reason}", err=True)
        sys.exit(1)


def _was_printing(error: OSError) -> bool:
    """Whether it was raised by `click.echo` itself; any other is a bug, to be seen as one."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return frames[-1][0].f_code is click.echo.__code__


if __name__ == "__main__":
    main()
