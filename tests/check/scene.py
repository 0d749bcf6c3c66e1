"""`check` in this process, against the development server or any other, and its report as a person reads it."""

import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey, RSAKey
from msgspec.structs import replace

from broker.app.clock import boot_clock
from broker.cli.check.as_json import as_json
from broker.cli.check.report import Step, passed
from broker.cli.check.run import check
from broker.cli.check.text import Paint, Printer, plain
from broker.core.durations import Duration
from broker.core.settings import Assertion, ClientSettings, Http, KeySettings, Settings, TokenSettings
from broker.devserver import DevServer

CLIENT_ID = "0oa1b2c3d4"
SCOPES = ("okta.users.read", "okta.groups.read")


@dataclass(frozen=True)
class Report:
    """What came out."""

    steps: list[Step]
    clients: dict[str, ClientSettings]
    offline: bool = False

    @property
    def ok(self) -> bool:
        return passed(self.steps)

    @property
    def text(self) -> str:
        """All that is printed, in 80 columns."""
        return "\n".join(self.lines())

    def lines(self, paint: Paint = plain) -> list[str]:
        """The same, painted."""
        said: list[str] = []
        printer = Printer(said.append, self.clients, paint=paint)
        for step in self.steps:
            printer.emit(step)
        printer.end(self.steps, offline=self.offline)
        return said

    @property
    def read(self) -> str:
        """The text without line breaks and margins, as one reads it."""
        return " ".join(self.text.split())

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(json.dumps(as_json(self.steps, offline=self.offline)))
        return found

    @property
    def went(self) -> list[tuple[str, str]]:
        """Names and outcomes of the steps."""
        return [(step.name, step.status) for step in self.steps]

    def step(self, name: str, token: str | None = None) -> Step:
        """The only step of this name."""
        (found,) = [step for step in self.steps if step.name == name and token in {None, step.token}]
        return found

    def members(self, name: str) -> dict[str, Any]:
        """The same as JSON."""
        (found,) = [step for step in self.json["steps"] if step["step"] == name]
        return dict(found)


async def report(
    clients: dict[str, ClientSettings],
    tokens: dict[str, TokenSettings],
    *,
    offline: bool = False,
    warnings: Iterable[str] = (),
) -> Report:
    """One run of `check`."""
    steps: list[Step] = []
    await check(
        Settings(clients=clients, tokens=tokens),
        source="/etc/token-broker/config.yaml",
        warnings=warnings,
        offline=offline,
        now=boot_clock(),
        wall=time.time,
        emit=steps.append,
    )
    return Report(steps, clients, offline)


@dataclass
class Scene:
    """One client, `okta`, with one key in a file, and the server that knows it."""

    server: DevServer
    folder: Path
    key: RSAKey | ECKey
    client: ClientSettings
    token: TokenSettings = field(default_factory=lambda: TokenSettings(client="okta", scopes=SCOPES))

    def register(self, *keys: RSAKey | ECKey, scopes: Iterable[str] | None = None, **members: str) -> None:
        """What the server knows of the client: public keys, with members of their JWKs changed."""
        jwks = [{**key.as_dict(private=False), **members} for key in keys or (self.key,)]
        self.server.register(CLIENT_ID, {"keys": jwks}, scopes)

    async def check(self, *, offline: bool = False, http: Http | None = None, **changes: Any) -> Report:
        """With members of the client's settings changed."""
        client = replace(self.client, http=http or self.client.http, **changes)
        return await report({"okta": client}, {"users-api": self.token}, offline=offline)


def write(file: Path, key: RSAKey | ECKey, **changes: str | None) -> KeySettings:
    """The key as a JWK in `file`; a member changed to `None` is left out."""
    jwk = {name: value for name, value in {**key.as_dict(private=True), **changes}.items() if value is not None}
    file.write_text(json.dumps(jwk))
    return KeySettings(file=str(file))


def a_key(kid: str = "2026-11-okta") -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})


def a_client(entry: KeySettings, **members: Any) -> ClientSettings:
    usual: dict[str, Any] = {
        "provider": "okta",
        "client_id": CLIENT_ID,
        "private_keys": (entry,),
        "assertion": Assertion(audience="token_endpoint"),
        "http": Http(timeout=Duration(5), connect_timeout=Duration(3)),
    }
    return ClientSettings(**(usual | members))


@asynccontextmanager
async def a_scene(folder: Path, **server: Any) -> AsyncIterator[Scene]:
    """All is well in it."""
    key = a_key()
    async with DevServer(**server) as running:
        client = a_client(write(folder / "key.jwk", key), issuer=running.issuer)
        scene = Scene(running, folder, key, client)
        scene.register(scopes=SCOPES)
        yield scene
