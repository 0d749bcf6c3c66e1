"""`token-broker jwks`: what an identity provider's "use a URL" needs, to be published as a static file."""

from typing import TYPE_CHECKING

import click

from broker.commands.config import CONFIG

if TYPE_CHECKING:
    from broker.events import Event
    from broker.settings import ClientSettings


@click.command("jwks")
@click.option("--client", "name", metavar="NAME", help="Whose keys; may be left out when there is one client.")
@CONFIG
def command(name: str | None, path: str | None) -> None:
    """Print the public keys of a client as a JWKS.

    All of them or none: a set that lacks a key would have the identity provider refuse it. Exit code 1 when a key file
    cannot be used, 2 for the configuration.
    """
    import asyncio  # noqa: PLC0415 - every command must start fast
    import json  # noqa: PLC0415 - as above
    import os  # noqa: PLC0415 - as above

    from broker.config.resolve import load  # noqa: PLC0415 - as above
    from broker.errors import ConfigError  # noqa: PLC0415 - as above

    clients = load(path, os.environ).clients
    if name is None and len(clients) == 1:
        (name,) = clients
    if name not in clients:
        asked = "--client is needed" if name is None else f"there is no client {name}"
        raise ConfigError([f"{asked}; the configuration has {', '.join(clients)}"])
    click.echo(json.dumps(asyncio.run(_public_jwks(name, clients[name])), indent=2))


async def _public_jwks(name: str, client: "ClientSettings") -> object:
    from broker.events import KeyRefused  # noqa: PLC0415 - every command must start fast
    from broker.keys.watch import KeyFiles  # noqa: PLC0415 - as above

    told: list[Event] = []
    keys = KeyFiles(
        name, client.private_keys, provider=client.provider, algorithms=client.algorithms, observe=told.append
    )
    await keys.load()
    if refused := [event.detail for event in told if isinstance(event, KeyRefused)]:
        raise click.ClickException("\n".join(detail if detail.endswith("?") else f"{detail}." for detail in refused))
    return keys.public_jwks()
