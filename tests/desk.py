"""A workload API on real sockets, over a store that a test fills."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from broker.diagnosis import Diagnosis
from broker.events import Event, HandedOut, Served
from broker.handout.server import Handout
from broker.listener import Listener
from broker.settings import Api, TokenSettings
from broker.store import Store
from broker.tokens import Token
from raw_http import Answer, get, wire

SECRET = "eyJ.s3cret-access-token.sig"
MARK = "Metadata: true"
NAMES = ("users-api", "groups")


class Desk:
    """Its clock stands until it is moved; `told` is what the observer was told."""

    def __init__(self, names: tuple[str, ...], **api: object) -> None:
        self.time = 1000.0
        self.wall_ahead = 500.25
        self.told: list[Event] = []
        self.failures: dict[str, Diagnosis] = {}
        self.next_at: dict[str, float] = {}
        self.api = Api(**api)  # type: ignore[arg-type]  # what a test says
        self.tokens = {name: TokenSettings(client="okta") for name in names}
        self.store = Store(self.tokens, self.now)
        self.handout = Handout(
            self.api,
            self.tokens,
            self.store,
            failure=self.failures.get,
            next_at=self.next_at.get,
            now=self.now,
            wall=lambda: self.time + self.wall_ahead,
            observe=self.told.append,
        )
        self.addresses: tuple[str, ...] = ()

    def now(self) -> float:
        return self.time

    def put(self, name: str, *, lifetime: float = 300.0, text: str = SECRET, scope: str = "a b") -> Token:
        token = Token(access_token=text, token_type="Bearer", scope=scope, issued_at=self.time, lifetime=lifetime)
        self.store.put(name, token)
        return token

    async def get(self, target: str, *fields: str, method: str = "GET") -> Answer:
        async with wire(self.addresses[0]) as one:
            await one.send(get(target, MARK, *fields, method=method))
            return await one.answer(body=method != "HEAD")

    @property
    def served(self) -> list[tuple[str, int]]:
        return [(event.route, event.code) for event in self.told if isinstance(event, Served)]

    @property
    def handed_out(self) -> list[str]:
        return [event.token for event in self.told if isinstance(event, HandedOut)]


@asynccontextmanager
async def open_desk(*names: str, listen: tuple[str, ...] = ("127.0.0.1:0",), **api: object) -> AsyncIterator[Desk]:
    desk = Desk(names or NAMES, **api)
    listener = Listener(
        "api.listen",
        listen,
        desk.handout.handle,
        max_connections=desk.api.max_connections,
        observe=desk.told.append,
    )
    async with listener:
        desk.addresses = listener.addresses
        yield desk
