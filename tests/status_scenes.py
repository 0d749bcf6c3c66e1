"""Brokers in all sorts of states, told by events to the real admin listener: what its status page is tested with."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from msgspec import structs
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from broker.admin.health import Health
from broker.admin.server import Admin
from broker.admin.status import Sources
from broker.admin.status.history import History
from broker.admin.status.snapshot import Snapshot, take
from broker.core.diagnosis import Diagnosis
from broker.core.errors import BrokerError
from broker.core.events import Event, HandedOut, KeyLoaded, KeyRefused, Listening, Refreshed, RefreshFailed
from broker.core.settings import Admin as AdminSettings
from broker.core.settings import Assertion, ClientSettings, KeySettings, Settings, TokenSettings
from broker.core.tokens import Token
from broker.http_server import Listener
from broker.keys.watch import KeyFiles, KeyState
from broker.providers.diagnose import diagnose
from broker.refresh.schedule import lead, refresh_at
from broker.refresh.store import Store
from key_forms import jwk

#: The boot-time clock of a scene at its start, and by how much the wall clock is ahead of it.
NOW, WALL_AHEAD = 1_795_500_000.0, 28_329.0
SECRET = "eyJraWQiOiJrIn0.s3cret-access-token.c2lnbmF0dXJl"


def a_client(**members: object) -> ClientSettings:
    """One at Okta, unless said otherwise."""
    usual: dict[str, object] = {
        "provider": "okta",
        "issuer": "https://acme.okta.com",
        "client_id": "0oa1b2c3d4E5f6G7h8i9",
        "private_keys": (KeySettings(file="/var/run/secrets/token-broker/okta/private-key.jwk"),),
        "assertion": Assertion(audience="token_endpoint"),
    }
    return ClientSettings(**(usual | members))  # type: ignore[arg-type]  # what a test says


class Scene:
    """A broker whose clock stands until `time` is moved, and which knows what it was told."""

    def __init__(self, clients: dict[str, ClientSettings], tokens: dict[str, TokenSettings], **admin: str) -> None:
        self.time = NOW
        #: What to leave out of the paths of key files, to show them as in a container.
        self.root = ""
        self.alive = True
        self.settings = Settings(admin=AdminSettings(**admin), clients=clients, tokens=tokens)  # type: ignore[arg-type]  # what a test says
        self.history = History(tokens, now=self.now)
        self.store = Store(tokens, self.now)
        self.failures: dict[str, Diagnosis] = {}
        self.keys = {
            name: KeyFiles(name, client.private_keys, provider="generic", algorithms=(), observe=self.tell)
            for name, client in clients.items()
        }
        self.endpoints = {name: client.token_endpoint for name, client in clients.items()}
        health = Health(
            tokens,
            self.store,
            failure=self.failures.get,
            alive=lambda: self.alive,
            startup_wait=60.0,
            now=self.now,
        )
        self.sources = Sources(
            settings=self.settings,
            health=health,
            store=self.store,
            history=self.history,
            keys={name: partial(self.key_states, name) for name in clients},
            endpoints={name: partial(self.endpoints.get, name) for name in clients},
            now=self.now,
            wall=lambda: self.time + WALL_AHEAD,
            host="web-6d9f4c7b8-x2kqz",
        )
        self.address = ""

    def now(self) -> float:
        return self.time

    def tell(self, *events: Event) -> None:
        for event in events:
            if isinstance(event, KeyLoaded | KeyRefused):
                event = structs.replace(event, file=event.file.removeprefix(self.root))  # noqa: PLW2901 - what is told
            self.history(event)

    def key_states(self, client: str) -> list[KeyState]:
        return [
            replace(
                state,
                file=state.file.removeprefix(self.root),
                refusal=state.refusal and state.refusal.removeprefix(self.root),
            )
            for state in self.keys[client].states()
        ]

    def hold(
        self, name: str, *, age: float = 1080.0, lifetime: float = 3600.0, scope: str | None = None, text: str = SECRET
    ) -> None:
        """A token that came `age` seconds ago; its refresh is due in the middle of the window."""
        settings = self.settings.tokens[name]
        token = Token(
            access_token=text,
            token_type="Bearer",
            scope=" ".join(settings.scopes) if scope is None else scope,
            issued_at=self.time - age,
            lifetime=lifetime,
        )
        self.failures.pop(name, None)
        self.store.put(name, token)
        self.tell(
            Refreshed(
                token=name,
                client=settings.client,
                duration=0.2,
                expires_at=token.expires_at,
                lifetime=lifetime,
                lead=lead(lifetime, settings.refresh.ahead),
                next_refresh_at=refresh_at(token, settings.refresh.ahead, 0.5),
            )
        )

    def fail(
        self, name: str, error: BrokerError, *, attempts: int = 1, lasting: float = 0.0, retry: float = 40
    ) -> None:
        """The last of `attempts` that failed for `lasting` seconds; the next comes in `retry`."""
        client = self.settings.tokens[name].client
        self.failures[name] = diagnosis = diagnose(error).named(client=client, token=name)
        ends = self.time
        for attempt in range(attempts):
            self.time = ends - lasting + lasting * attempt / max(1, attempts - 1)
            self.tell(
                RefreshFailed(
                    token=name,
                    client=client,
                    duration=0.2,
                    diagnosis=diagnosis,
                    retry_at=ends + retry,
                    expires_at=None,
                )
            )
        self.time = ends

    def hand_out(self, name: str, times: int) -> None:
        self.tell(*[HandedOut(token=name, caller="anonymous")] * times)

    def seen(self) -> Snapshot:
        return take(self.sources)

    @asynccontextmanager
    async def listening(self, address: str = "127.0.0.1:0") -> AsyncIterator[str]:
        """The page's URL; `stop` and listen again at `self.address` to play a restart."""
        admin = Admin(
            self.sources,
            registry=CollectorRegistry(),
            public_jwks={name: keys.public_jwks for name, keys in self.keys.items()},
            observe=self.history,
        )
        async with Listener(
            "admin.listen", [address], admin.handle, loopback_only=False, observe=self.tell
        ) as listener:
            self.address = listener.addresses[0]
            self.tell(Listening(listener="api", addresses=("127.0.0.1:7180", "[::1]:7180")))
            self.tell(Listening(listener="admin", addresses=("0.0.0.0:7181", "[::]:7181")))
            yield f"http://{self.address}/"


def one_token(**settings: object) -> Scene:
    """`users-api` of the client `okta`, not held yet."""
    usual: dict[str, object] = {"client": "okta", "scopes": ("okta.users.read", "okta.groups.read")}
    return Scene({"okta": a_client()}, {"users-api": TokenSettings(**(usual | settings))})  # type: ignore[arg-type]  # what a test says


def write_key(file: Path, number: int, kid: str | None) -> None:
    """The same key for the same number, so that pictures do not change with every run."""
    key = ec.derive_private_key(0xACE5 + number, ec.SECP256R1())
    file.write_text(json.dumps(jwk(key, **({"kid": kid} if kid else {}))))
