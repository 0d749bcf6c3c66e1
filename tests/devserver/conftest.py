import asyncio
import time
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from joserfc.jwk import ECKey, RSAKey

from broker.devserver import Client, DevServer
from devserver_client import Asker, public

EPOCH = 1_800_000_000.0


@pytest.fixture(scope="session")
def rsa_key() -> RSAKey:
    return RSAKey.generate_key(2048, auto_kid=True)


@pytest.fixture
def key() -> ECKey:
    return ECKey.generate_key("P-256", auto_kid=True)


@pytest.fixture
async def now(request: pytest.FixtureRequest) -> Callable[[], float]:
    """The real clock, or the loop's under virtual time."""
    if request.node.get_closest_marker("looptime") is None:
        return time.time
    loop = asyncio.get_running_loop()
    return lambda: EPOCH + loop.time()


@pytest.fixture
async def server(key: ECKey, now: Callable[[], float]) -> AsyncIterator[DevServer]:
    granted = frozenset({"okta.users.read", "okta.groups.read", "reports"})
    async with DevServer([Client(client_id="app", keys=public(key), scopes=granted)], now=now) as server:
        yield server
        assert server.journal.crashes == []


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


@pytest.fixture
def app(http: aiohttp.ClientSession, server: DevServer, key: ECKey, now: Callable[[], float]) -> Asker:
    return Asker(http, server, key, now)
