"""One configured client with the parts that its token requests need."""

import asyncio
from collections.abc import Callable

from msgspec import Struct

from broker.core.events import Observer
from broker.core.settings import ClientSettings
from broker.http_client.transport import Transport
from broker.keys.watch import KeyFiles
from broker.oauth import Grant
from broker.oauth.discovery import Discovery
from broker.providers import PRESETS


class Client(Struct, frozen=True, kw_only=True):
    """The parts of one client, built by `build_client`.

    `keys.load()` reads its keys; `transport.close()` closes its connections.
    """

    settings: ClientSettings
    keys: KeyFiles
    transport: Transport
    discovery: Discovery
    grant: Grant


def build_client(
    name: str,
    settings: ClientSettings,
    *,
    gate: asyncio.Semaphore,
    now: Callable[[], float],
    wall: Callable[[], float],
    observe: Observer,
    transport: Transport | None = None,
) -> Client:
    """Build the client `name`.

    `gate` bounds the concurrent requests to its server. `now` is the boot-time clock, `wall` the wall clock.
    `transport` defaults to a `Transport` with the client's `http` settings.
    """
    transport = transport or Transport(settings.http, now=now, observe=observe)
    keys = KeyFiles(
        name,
        settings.private_keys,
        provider=settings.provider,
        algorithms=settings.algorithms,
        client_id=settings.client_id,
        wall=wall,
        observe=observe,
    )
    discovery = Discovery(
        issuer=settings.issuer,
        token_endpoint=settings.token_endpoint,
        hosts=PRESETS[settings.provider].hosts,
        allow_http=settings.allow_http,
        transport=transport,
        now=now,
        observe=observe,
    )
    grant = Grant(
        name,
        settings,
        keys=keys,
        discovery=discovery,
        transport=transport,
        gate=gate,
        now=now,
        wall=wall,
        observe=observe,
    )
    return Client(settings=settings, keys=keys, transport=transport, discovery=discovery, grant=grant)
