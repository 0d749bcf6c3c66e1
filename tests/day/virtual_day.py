"""A broker, the development server and a polling workload, all over loopback and all in virtual time."""

import asyncio
import base64
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import aiohttp
from joserfc.jwk import ECKey

from broker.app.compose import Broker, running
from broker.core.durations import Ahead
from broker.core.events import Event
from broker.core.settings import (
    Admin,
    Api,
    Assertion,
    ClientSettings,
    Dpop,
    KeySettings,
    Refresh,
    Settings,
    TokenSettings,
)
from broker.devserver import DevServer

EPOCH = 1_795_000_000.0
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
E = TypeVar("E", bound=Event)


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer to the workload: `at` in virtual seconds, `expires_in` and `left` (true seconds) only with 200."""

    at: float
    status: int
    token: str = ""
    expires_in: int = 0
    left: float = 0.0
    reason: str = ""
    expires_at: int = 0


@dataclass
class Day:
    broker: Broker
    server: DevServer
    events: list[Event]
    key_file: Path
    http: aiohttp.ClientSession
    answers: list[Answer] = field(default_factory=list)
    #: Added to the broker's wall clock, in seconds.
    step: float = 0.0

    @property
    def statuses(self) -> Counter[int]:
        return Counter(answer.status for answer in self.answers)

    def seen(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]

    async def ask(self, name: str = "t0") -> Answer:
        """One request of a workload, as over the wire."""
        loop = asyncio.get_running_loop()
        url = f"http://{self.broker.api.addresses[0]}/v1/tokens/{name}"
        async with self.http.get(url, headers={"Metadata": "true"}) as reply:
            at, body = loop.time(), await reply.json()
        if reply.status != 200:
            answer = Answer(at, reply.status, reason=body.get("reason", ""))
        else:
            left = expiry_of(body["access_token"]) - (EPOCH + at)
            answer = Answer(at, 200, body["access_token"], body["expires_in"], left, expires_at=body["expires_at"])
        self.answers.append(answer)
        return answer

    async def poll(self, seconds: float, *, every: float = 60.0, names: tuple[str, ...] = ("t0",)) -> list[Answer]:
        """Ask for every name all through `seconds`; the answers of this stretch."""
        loop = asyncio.get_running_loop()
        until, first = loop.time() + seconds, len(self.answers)
        while loop.time() < until:
            for name in names:
                await self.ask(name)
            await asyncio.sleep(every)
        return self.answers[first:]


def expiry_of(token: str) -> float:
    """`exp` of an access token of the development server."""
    claims = token.split(".")[1]
    return float(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"])


def write_key(file: Path, kid: str) -> dict[str, object]:
    """A new ES256 key in `file`, replaced in one step; its public JWK."""
    key = ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})
    beside = file.with_suffix(".new")
    beside.write_text(json.dumps(key.as_dict(private=True)))
    beside.rename(file)
    return dict(key.as_dict(private=False))


@asynccontextmanager
async def a_day(
    folder: Path, *, lifetime: float = HOUR, tokens: int = 1, ahead: str = "auto", dpop: bool = False, seed: int = 7
) -> AsyncIterator[Day]:
    """Everything up, with `tokens` tokens of `lifetime` seconds called t0, t1, …; draws are those of `seed`.

    `dpop`: the server requires that they are bound to a key.
    """
    loop = asyncio.get_running_loop()
    day: Day | None = None

    def now() -> float:
        return EPOCH + loop.time()

    def wall() -> float:
        return now() + (day.step if day else 0.0)

    key_file = folder / "key.jwk"
    public = write_key(key_file, "k1")
    events: list[Event] = []
    async with DevServer(lifetime=lifetime, now=now) as server:
        server.register("client", {"keys": [public]}, {"read"}, dpop=dpop)
        settings = Settings(
            api=Api(listen=("127.0.0.1:0",)),
            admin=Admin(listen=("127.0.0.1:0",)),
            clients={
                "c": ClientSettings(
                    client_id="client",
                    issuer=server.issuer,
                    private_keys=(KeySettings(file=str(key_file)),),
                    assertion=Assertion(audience="token_endpoint"),
                    dpop=Dpop(targets=(server.issuer,)) if dpop else None,
                )
            },
            tokens={
                f"t{i}": TokenSettings(client="c", scopes=("read",), refresh=Refresh(ahead=Ahead(ahead)))
                for i in range(tokens)
            },
        )
        draw: Callable[[], float] = random.Random(seed).random
        async with (
            running(settings, observers=[events.append], now=now, wall=wall, draw=draw) as broker,
            aiohttp.ClientSession() as http,
        ):
            day = Day(broker, server, events, key_file, http)
            await asyncio.sleep(1)
            yield day
