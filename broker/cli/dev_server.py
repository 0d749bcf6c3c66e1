"""`token-broker dev-server`: the embedded authorization server alone, for other programs and for people to try."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from broker.devserver import Client, DevServer, Seen

_FAULTS = """\b
Faults are ordered over HTTP, from this machine:
  curl --json '{"status": 503, "times": 3}' http://127.0.0.1:8080/dev/faults
  curl --json '{"new_nonce": true}' http://127.0.0.1:8080/dev/faults
  curl -X DELETE http://127.0.0.1:8080/dev/faults
  curl http://127.0.0.1:8080/dev/requests
"""


@click.command("dev-server", epilog=_FAULTS)
@click.option(
    "--listen",
    default="127.0.0.1:8080",
    show_default=True,
    metavar="HOST:PORT",
    help="Where to listen; port 0 takes any free one. A host that is not loopback is honoured, with a warning.",
)
@click.option(
    "--client",
    "clients",
    multiple=True,
    metavar="ID=KEYS",
    help="A client and its public keys: a JWKS (or one JWK) in a file, which is re-read, or its URL. Repeatable."
    " Without any, every client and every key is accepted.",
)
@click.option("--lifetime", default="1h", show_default=True, metavar="DURATION", help="How long the tokens live.")
@click.option("--dpop", is_flag=True, help="Require a DPoP proof of every client, with a nonce, as Okta can.")
@click.option("--scopes", metavar='"A B"', help="What the clients are granted. By default whatever they ask for.")
def command(listen: str, clients: tuple[str, ...], lifetime: str, scopes: str | None, *, dpop: bool) -> None:
    """Run an authorization server in Okta's manner, for development.

    It knows one grant, client_credentials with private_key_jwt, and refuses everything else in Okta's own words.
    One line is printed for each token request.
    """
    import asyncio  # noqa: PLC0415 - every command must start fast
    import contextlib  # noqa: PLC0415 - as above

    from broker.devserver import DevServer  # noqa: PLC0415 - as above

    server = DevServer(
        _clients(clients, None if scopes is None else frozenset(scopes.split()), dpop=dpop),
        lifetime=_lifetime(lifetime),
        listen=_address(listen),
        anywhere=True,
        on_request=_print_request,
    )
    with contextlib.suppress(KeyboardInterrupt):  # Windows' loop takes no signal handlers
        asyncio.run(_serve(server, any_key=not clients))


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
        msg = f"{text!r} is not an address; write it like 127.0.0.1:8080, [::1]:8080 or :8080"
        raise click.BadParameter(msg, param_hint="--listen")
    return host.strip("[]"), int(port)


def _lifetime(text: str) -> float:
    from broker.core.durations import Duration  # noqa: PLC0415 - every command must start fast

    try:
        lifetime = Duration.parse(text)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--lifetime") from error
    if lifetime < 1:
        msg = "a token lives for one second at least."
        raise click.BadParameter(msg, param_hint="--lifetime")
    return lifetime


def _clients(texts: Iterable[str], scopes: frozenset[str] | None, *, dpop: bool) -> list["Client"]:
    from pathlib import Path  # noqa: PLC0415 - every command must start fast

    from broker.devserver import ANYONE, Client, read_file  # noqa: PLC0415 - as above

    clients: dict[str, Client] = {}
    for text in texts:
        client_id, _, keys = text.partition("=")
        if not client_id or not keys or client_id in clients:
            why = "is given twice" if client_id in clients else "is not ID=FILE or ID=URL"
            raise click.BadParameter(f"{text!r} {why}.", param_hint="--client")
        source: Path | str = keys if keys.startswith(("http://", "https://")) else Path(keys)
        try:
            if isinstance(source, Path) and not read_file(source):
                msg = f"{source} holds no key that Okta takes, which is RSA or EC"
                raise ValueError(msg)
        except ValueError as error:
            raise click.BadParameter(f"{error}.", param_hint="--client") from error
        clients[client_id] = Client(client_id=client_id, keys=source, scopes=scopes, dpop=dpop)
    return list(clients.values()) or [Client(client_id=ANYONE, keys=None, scopes=scopes, dpop=dpop)]


async def _serve(server: "DevServer", *, any_key: bool) -> None:
    import asyncio  # noqa: PLC0415 - every command must start fast
    import contextlib  # noqa: PLC0415 - as above
    import signal  # noqa: PLC0415 - as above

    stop = asyncio.Event()
    with contextlib.suppress(NotImplementedError):
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(server)
        except OSError as error:
            msg = f"{server.host}:{server.port} cannot be listened on: {error.strerror}."
            raise click.BadParameter(msg, param_hint="--listen") from error
        _print_start(server, any_key=any_key)
        await stop.wait()


def _print_start(server: "DevServer", *, any_key: bool) -> None:
    if not server.is_loopback:
        click.echo(f"Warning: {server.host or 'every address'} is not loopback; others can ask for tokens.", err=True)
    if any_key:
        click.echo(
            "Warning: no --client is given, so every client and every key is accepted, and NO SIGNATURE IS CHECKED."
            " Everything else is.",
            err=True,
        )
    click.echo(f"issuer          {server.issuer}")
    click.echo(f"token endpoint  {server.token_endpoint}")


def _print_request(seen: "Seen") -> None:
    import time  # noqa: PLC0415 - every command must start fast

    at = time.strftime("%H:%M:%S", time.localtime(seen.at))
    click.echo(f"{at}  {seen.client_id or '(no client)'}  {seen.status or '---'} {seen.outcome}: {seen.sentence}")
