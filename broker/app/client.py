"""One client of the configuration, with all that its token requests need."""

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
    """Made by `made`. Its keys are read by `keys.load()`, its connections end with `transport.close()`."""

    settings: ClientSettings
    keys: KeyFiles
    transport: Transport
    discovery: Discovery
    grant: Grant


def made(
    name: str,
    settings: ClientSettings,
    *,
    gate: asyncio.Semaphore,
    now: Callable[[], float],
    wall: Callable[[], float],
    observe: Observer,
    transport: Transport | None = None,
) -> Client:
    """The client `name`. `gate` bounds the requests under way to its server; `now` is the boot-time clock.

    `transport` is by default one that does as its `http` settings say.
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
