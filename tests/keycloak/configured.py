"""A broker before Keycloak: its configuration as a file, a grant of its own, a workload beside a daemon."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from broker.app.client import build_client
from broker.config import resolve
from broker.core.errors import RefusalError
from broker.core.events import Event
from broker.core.settings import TokenSettings
from broker.core.tokens import Token
from broker.oauth import Grant
from keycloak.server import SCOPE, Client, Keycloak

Json = dict[str, Any]


def config_file(server: Keycloak, registered: Client, *, token: Json | None = None, **members: Any) -> Path:
    """The file: a client `keycloak` and a token `reports`. `members` are of the client, `token` of the token."""
    one = {
        "provider": "keycloak",
        "issuer": server.issuer,
        "client_id": registered.client_id,
        "private_key": {"file": str(registered.key_file)},
    }
    if {"private_keys", "private_key"} & members.keys():
        del one["private_key"]
    loopback = {"listen": ["127.0.0.1:0"]}
    content = {
        "api": loopback,
        "admin": loopback,
        "clients": {"keycloak": one | members},
        "tokens": {"reports": {"scopes": [SCOPE]} | (token or {})},
    }
    file = registered.key_file.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(content))
    return file


@dataclass
class Asker:
    """A grant, and what it told."""

    grant: Grant
    token: TokenSettings
    events: list[Event]

    async def fetch(self) -> Token:
        return await self.grant.fetch(self.token)

    async def refused(self) -> RefusalError:
        """The refusal that `fetch` ends with."""
        try:
            await self.fetch()
        except RefusalError as refusal:
            return refusal
        raise AssertionError("a token was granted")


@asynccontextmanager
async def a_grant(file: Path, *, step: float = 0.0) -> AsyncIterator[Asker]:
    """The grant of the client in `file`, whose clock on the wall is `step` seconds off."""
    settings = resolve.load(str(file), {})
    events: list[Event] = []
    made = build_client(
        "keycloak",
        settings.clients["keycloak"],
        gate=asyncio.Semaphore(8),
        now=time.time,
        wall=lambda: time.time() + step,
        observe=events.append,
    )
    await made.keys.load()
    try:
        yield Asker(made.grant, settings.tokens["reports"], events)
    finally:
        await made.transport.close()


@dataclass
class Workload:
    """What asked a daemon for its token all the time, and what it got."""

    statuses: list[int] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    @property
    def distinct(self) -> int:
        return len(set(self.tokens))

    async def has_seen(self, distinct: int) -> None:
        """Until so many different tokens were handed out."""
        async with asyncio.timeout(120):
            while self.distinct < distinct:
                await asyncio.sleep(0.05)

    async def ask(self, url: str) -> None:
        """Forever, every 50 ms."""
        async with aiohttp.ClientSession(headers={"Metadata": "true"}) as http:
            while True:
                async with http.get(f"{url}/v1/token") as answer:
                    self.statuses.append(answer.status)
                    if answer.status == 200:
                        self.tokens.append((await answer.json())["access_token"])
                await asyncio.sleep(0.05)


@asynccontextmanager
async def a_workload(url: str) -> AsyncIterator[Workload]:
    """Asks all along, beginning with the first token that there is; it may miss none in between."""
    workload = Workload()
    task = asyncio.create_task(workload.ask(url))
    try:
        yield workload
    finally:
        task.cancel()
        await asyncio.wait([task])
    assert set(workload.statuses) == {200}
