"""A workload API on real sockets, over a store that a test fills."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType

from broker.core.diagnosis import Diagnosis
from broker.core.durations import Duration
from broker.core.errors import BrokerError
from broker.core.events import Event, HandedOut, Served
from broker.core.settings import Api, TokenSettings
from broker.core.signer import Signer
from broker.core.tokens import Token
from broker.http_server import Listener
from broker.refresh.refresher import Refresher
from broker.refresh.store import Store
from broker.workload_api.callers.registry import Callers
from broker.workload_api.proofs import ProofPolicy
from broker.workload_api.server import Handout
from raw_http import Answer, get, wire

SECRET = "eyJ.s3cret-access-token.sig"
MARK = "Metadata: true"
NAMES = ("users-api", "groups")


class Desk:
    """Its clock stands until it is moved; `told` is what the observer was told."""

    def __init__(
        self,
        names: tuple[str, ...],
        lists: Mapping[str, tuple[str, ...]] | None = None,
        targets: Mapping[str, tuple[str, ...]] | None = None,
        **api: object,
    ) -> None:
        self.time = 1000.0
        self.wall_ahead = 500.25
        #: How far the authorization server's clock is ahead of ours, and where it has its token endpoint.
        self.server_ahead = 0.0
        self.token_endpoint: str | None = None
        self.fetched = 0
        self.takes = 0.0
        self.trouble: BrokerError | None = None
        self.told: list[Event] = []
        self.failures: dict[str, Diagnosis] = {}
        self.next_at: dict[str, float] = {}
        # Its refreshers run only where a test starts them: nobody waits for their first attempt.
        self.api = Api(**{"first_token_wait": Duration(0)} | api)  # type: ignore[arg-type]  # what a test says
        self.tokens = {name: TokenSettings(client="okta", callers=(lists or {}).get(name)) for name in names}
        self.store = Store(self.tokens, self.now)
        self.callers = Callers(self.api.callers, self.tokens, observe=self.told.append)
        self.refreshers = {
            name: Refresher(
                name,
                settings,
                fetch=self.fetch,
                store=self.store,
                now=self.now,
                draw=lambda: 0.5,
                observe=self.told.append,
            )
            for name, settings in self.tokens.items()
        }
        self.handout = Handout(
            self.api,
            self.tokens,
            self.store,
            callers=self.callers,
            refreshers=self.refreshers,
            fetch_timeouts=dict.fromkeys(names, 10.0),
            failure=lambda name: self.failures.get(name) or self.refreshers[name].failure,
            next_at=lambda name: self.next_at.get(name, self.refreshers[name].due_at),
            fast_path=self.api.fast_path,
            now=self.now,
            wall=self.wall,
            observe=self.told.append,
            proof_policies={
                name: ProofPolicy(
                    client="okta",
                    targets=origins,
                    token_endpoint=lambda: self.token_endpoint,
                    clock=lambda: self.wall() + self.server_ahead,
                )
                for name, origins in (targets or {}).items()
            },
        )
        self.addresses: tuple[str, ...] = ()

    async def fetch(self, _settings: TokenSettings) -> Token:
        """What refreshers do, once a test has started them: an hour's token after `takes`, or the `trouble`."""
        self.fetched += 1
        number, began = self.fetched, self.time
        await asyncio.sleep(self.takes)
        if self.trouble:
            raise self.trouble
        return Token(access_token=f"{SECRET}-{number}", token_type="Bearer", scope="", issued_at=began, lifetime=3600.0)

    def now(self) -> float:
        return self.time

    def wall(self) -> float:
        return self.time + self.wall_ahead

    def put(
        self,
        name: str,
        *,
        lifetime: float = 300.0,
        text: str = SECRET,
        scope: str = "a b",
        proof_key: Signer | None = None,
        extra: Mapping[str, object] = MappingProxyType({}),
    ) -> Token:
        """A Bearer token, or a DPoP token with a `proof_key`; `extra` are further members of the server's answer."""
        token = Token(
            access_token=text,
            token_type="DPoP" if proof_key else "Bearer",
            scope=scope,
            issued_at=self.time,
            lifetime=lifetime,
            proof_key=proof_key,
            extra=extra,
        )
        self.store.put(name, token)
        return token

    async def get(self, target: str, *fields: str, method: str = "GET") -> Answer:
        async with wire(self.addresses[0]) as one:
            await one.send(get(target, MARK, *fields, method=method))
            return await one.answer(body=method != "HEAD")

    async def post(self, target: str, *fields: str, body: object) -> Answer:
        """`body` as JSON."""
        async with wire(self.addresses[0]) as one:
            sent = json.dumps(body).encode()
            return await one.ask(get(target, MARK, "Content-Type: application/json", *fields, method="POST", body=sent))

    @property
    def served(self) -> list[tuple[str, int]]:
        return [(event.route, event.code) for event in self.told if isinstance(event, Served)]

    @property
    def handed_out(self) -> list[str]:
        return [event.token for event in self.told if isinstance(event, HandedOut)]


@asynccontextmanager
async def open_desk(
    *names: str,
    listen: tuple[str, ...] = ("127.0.0.1:0",),
    lists: Mapping[str, tuple[str, ...]] | None = None,
    targets: Mapping[str, tuple[str, ...]] | None = None,
    **api: object,
) -> AsyncIterator[Desk]:
    """`lists` says which callers may have a token, `targets` what proofs with it may be for; `api` is that section."""
    desk = Desk(names or NAMES, lists, targets, **api)
    listener = Listener(
        "api.listen",
        listen,
        desk.handout.handle,
        max_connections=desk.api.max_connections,
        limits=desk.api.limits,
        find_response=desk.handout.find_response,
        observe=desk.told.append,
    )
    await desk.callers.load()
    async with listener:
        desk.addresses = listener.addresses
        yield desk
