"""A grant of its own with a key and clocks that the test can move, against the development server or against bytes."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from joserfc import jwt
from joserfc.jwk import ECKey

from broker.app.client import build_client
from broker.core.durations import Duration
from broker.core.events import Event
from broker.core.settings import Assertion, ClientSettings, Http, KeySettings, TokenSettings
from broker.devserver import DevServer
from raw_server import answers, http, raw_server

TOKEN = TokenSettings(client="c", scopes=("read", "write"))
GOOD = http(b'{"access_token":"t","token_type":"Bearer","expires_in":60}')


class Stage:
    """`public` is the key's public half; `step` is how wrong the test has set the clock, in seconds."""

    def __init__(self, folder: Path, server: str, **settings: Any) -> None:
        self.key = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"})
        self.public: dict[str, Any] = dict(self.key.as_dict(private=False))
        file = folder / "key.jwk"
        file.write_text(json.dumps(self.key.as_dict(private=True)))
        defaults: dict[str, Any] = {
            "client_id": "client",
            "token_endpoint": server,
            "private_keys": (KeySettings(file=str(file)),),
            "assertion": Assertion(audience="token_endpoint"),
            "http": Http(timeout=Duration(2)),
        }
        self.client = ClientSettings(**defaults | settings)
        self.step = 0.0
        self.events: list[Event] = []
        made = build_client(
            "c",
            self.client,
            gate=asyncio.Semaphore(8),
            now=time.time,
            wall=lambda: time.time() + self.step,
            observe=self.events.append,
        )
        self.transport, self.keys, self.grant = made.transport, made.keys, made.grant


@asynccontextmanager
async def a_stage(folder: Path, server: str, **settings: Any) -> AsyncIterator[Stage]:
    stage = Stage(folder, server, **settings)
    await stage.keys.load()
    try:
        yield stage
    finally:
        await stage.transport.close()


@asynccontextmanager
async def with_dev_server(folder: Path, **settings: Any) -> AsyncIterator[tuple[Stage, DevServer]]:
    async with DevServer(lifetime=600) as server, a_stage(folder, server.token_endpoint, **settings) as stage:
        server.register("client", {"keys": [stage.public]}, {"read", "write"})
        yield stage, server


def form_of(request: bytes) -> dict[str, list[str]]:
    return parse_qs(request.partition(b"\r\n\r\n")[2].decode(), keep_blank_values=True)


@asynccontextmanager
async def with_two_keys(folder: Path) -> AsyncIterator[tuple[Stage, DevServer, list[dict[str, Any]]]]:
    """A client with two keys, and their public halves; the server knows the first."""
    second = ECKey.generate_key("P-256", {"kid": "k2", "use": "sig", "alg": "ES256"})
    (folder / "second.jwk").write_text(json.dumps(second.as_dict(private=True)))
    keys = (KeySettings(file=str(folder / "key.jwk")), KeySettings(file=str(folder / "second.jwk")))
    async with with_dev_server(folder, private_keys=keys) as (stage, server):
        yield stage, server, [stage.public, dict(second.as_dict(private=False))]


async def sent(folder: Path, token: TokenSettings, **settings: Any) -> tuple[dict[str, list[str]], jwt.Token]:
    """The form that reaches a server, and the assertion in it, verified."""
    async with raw_server(answers(GOOD)) as server, a_stage(folder, f"{server.url}/token", **settings) as stage:
        await stage.grant.fetch(token)
        form = form_of(server.requests[0])
        return form, jwt.decode(form["client_assertion"][0], stage.key)
