"""`token-broker jwks`: what an identity provider's "use a URL" needs, to be published as a static file."""

from typing import TYPE_CHECKING

import click

from broker.cli.config import CONFIG

if TYPE_CHECKING:
    from collections.abc import Sequence

    from broker.core.events import Event
    from broker.core.settings import ClientSettings


@click.command("jwks")
@click.option("--client", "name", metavar="NAME", help="Whose keys; may be left out when there is one client.")
@click.option(
    "--add",
    "added",
    multiple=True,
    metavar="FILE",
    help="A key that is not in use yet, to be known before it is: its public JWK as keygen printed it, or the private"
    " one, or a JWKS. Repeatable.",
)
@CONFIG
def command(name: str | None, added: tuple[str, ...], path: str | None) -> None:
    """Print the public keys of a client as a JWKS.

    All of them or none: a set that lacks a key would have the identity provider refuse it. Exit code 1 when a key file
    cannot be used, 2 for the configuration.
    """
    import asyncio  # noqa: PLC0415 - every command must start fast
    import json  # noqa: PLC0415 - as above
    import os  # noqa: PLC0415 - as above

    from broker.config.resolve import load  # noqa: PLC0415 - as above
    from broker.core.errors import ConfigError  # noqa: PLC0415 - as above

    clients = load(path, os.environ).clients
    if name is None and len(clients) == 1:
        (name,) = clients
    if name not in clients:
        asked = "--client is needed" if name is None else f"there is no client {name}"
        raise ConfigError([f"{asked}; the configuration has {', '.join(clients)}"])
    if not clients[name].private_keys and not added:
        raise ConfigError([f"the client {name} has no key of its own: it shows what is in assertion_file"])
    in_use = asyncio.run(_in_use(name, clients[name]))
    jwks = _with(in_use, added, clients[name])
    click.echo(json.dumps({"keys": jwks}, indent=2))
    if len(jwks) > 1 and not all("kid" in jwk for jwk in jwks):
        click.echo(
            "Warning: there is a key without kid, by which servers tell the keys of a set apart; write kid beside its"
            " file in the configuration.",
            err=True,
        )


async def _in_use(name: str, client: "ClientSettings") -> "Sequence[dict[str, str]]":
    from broker.core.events import KeyRefused  # noqa: PLC0415 - every command must start fast
    from broker.keys.watch import KeyFiles  # noqa: PLC0415 - as above

    told: list[Event] = []
    keys = KeyFiles(
        name,
        client.private_keys,
        provider=client.provider,
        algorithms=client.algorithms,
        client_id=client.client_id,
        observe=told.append,
    )
    await keys.load()
    if refused := [event.detail for event in told if isinstance(event, KeyRefused)]:
        raise click.ClickException("\n".join(map(_ended, refused)))
    return keys.public_jwks()["keys"]


def _with(
    jwks: "Sequence[dict[str, str]]", files: "Sequence[str]", client: "ClientSettings"
) -> "Sequence[dict[str, str]]":
    from broker.files.small_files import UnreadableError, content  # noqa: PLC0415 - as above
    from broker.keys.files import MAX_BYTES  # noqa: PLC0415 - every command must start fast
    from broker.keys.parse import parse_public  # noqa: PLC0415 - as above
    from broker.keys.private import UnusableError  # noqa: PLC0415 - as above
    from broker.keys.publish import joined  # noqa: PLC0415 - as above

    for file in files:
        try:
            found = parse_public(content(file, most=MAX_BYTES))
            jwks = joined(jwks, found, allowed=client.algorithms, provider=client.provider)
        except UnreadableError as error:
            raise click.ClickException(_ended(str(error))) from None
        except UnusableError as error:
            raise click.ClickException(_ended(f"{file} {error}")) from None
    return jwks


def _ended(sentence: str) -> str:
    return sentence if sentence.endswith("?") else f"{sentence}."
