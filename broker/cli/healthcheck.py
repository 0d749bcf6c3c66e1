"""`token-broker healthcheck`: what compose files ask. It is run every few seconds, so nothing heavy is imported."""

import importlib
import os
import sys
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from urllib.parse import urlsplit

import click

from broker.core.errors import ConfigError

#: The same as in `broker.config`, which is not imported unless it has to be.
DEFAULT_PATH = "/etc/token-broker/config.yaml"
DEFAULT_LISTEN = ":7181"
#: Seconds for each step of the exchange.
PATIENCE = 5
#: The largest answer read, in bytes: whatever listens there may be no broker.
LARGEST = 1 << 16


@click.command("healthcheck")
@click.option("--url", help="What to ask instead; without a path /readyz is asked.")
@click.option(
    "--config",
    "path",
    type=click.Path(readable=False),
    metavar="FILE",
    help=f"Configuration file.  [default: $TOKEN_BROKER_CONFIG, else {DEFAULT_PATH}]",
)
def command(url: str | None, path: str | None) -> None:
    """Exit 0 when a running broker is ready, 1 with a sentence when it is not.

    Asks /readyz on the first address of $TOKEN_BROKER_ADMIN_LISTEN, else of admin.listen in the configuration file,
    else on localhost:7181. Give --url where the file needs variables or is not readable here.
    """
    url = url or url_of(listen_address(path))
    connection, target = connect(url)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        status, text = answer.status, answer.read(LARGEST).decode(errors="replace")
    except (OSError, HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        msg = f"no answer from a broker at {url} ({reason}); is it running, and is --url or admin.listen right?"
        raise click.ClickException(msg) from None
    finally:
        connection.close()
    said = "\n".join(line if line.isprintable() else repr(line) for line in text.splitlines())
    if status != 200:
        msg = f"{url} answered {status}: {said}"
        raise click.ClickException(msg)
    if sys.__stdout__ is not None:  # the exit code says it all
        click.echo(said)


def listen_address(path: str | None) -> str:
    """The first address of the admin listener, as the configuration writes it.

    Parsing YAML takes longer than everything else here. Few files speak of `admin`, and those that do not cannot
    change its address (a key could be written with escapes; then --url has to say it).
    """
    if listen := os.environ.get("TOKEN_BROKER_ADMIN_LISTEN", "").strip():
        return listen.partition(",")[0]
    file = Path(path or os.environ.get("TOKEN_BROKER_CONFIG") or DEFAULT_PATH)
    try:
        if b"admin" not in file.read_bytes():
            return DEFAULT_LISTEN
    except OSError:  # no file, as with variables alone
        return DEFAULT_LISTEN
    try:
        return str(importlib.import_module("broker.config.resolve").load(path, os.environ).admin.listen[0])
    except ConfigError as error:  # not exit code 2, which container runtimes reserve
        raise click.ClickException(str(error)) from None


def url_of(listen: str) -> str:
    """Where a process beside the broker reaches what listens on `listen`."""
    host, _, port = listen.rpartition(":")
    everywhere = host in ("", "0.0.0.0", "[::]")  # noqa: S104 - compared, not bound
    return f"http://{'localhost' if everywhere else host}:{port}/readyz"


def connect(url: str) -> tuple[HTTPConnection, str]:
    """A connection, and what to ask for on it. Raises ClickException for an unusable URL."""
    try:
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname:
            connection = HTTPConnection(parts.hostname, parts.port or 80, timeout=PATIENCE)
            return connection, parts.path if parts.path.strip("/") else "/readyz"
    except ValueError:  # a port that is none
        pass
    msg = f"{url} cannot be asked; write it like http://localhost:7181/readyz"
    raise click.ClickException(msg)
