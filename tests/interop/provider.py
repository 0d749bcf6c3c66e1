"""npm oidc-provider as a test sees it: an independent judge of what the broker sends.

`server.mjs` is the program and says what goes over its stdin and stdout. What it says is kept in a file: a line is
there before the HTTP answer it belongs to, so a test that has its answer reads the reason without waiting.
"""

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, TypeVar
from uuid import uuid4

import msgspec
from joserfc.jwk import ECKey, KeyParameters, OKPKey, RSAKey

from programs.installed import missing, npm_installed

PrivateKey = RSAKey | ECKey | OKPKey
HERE = Path(__file__).parent
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
T = TypeVar("T")
PATIENCE = 30.0  # seconds; it answers within one on an idle machine


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the server's. `detail` is the reason for a refusal, which it never puts on the wire."""

    event: Literal["ready", "registered", "granted", "refused", "nonces", "called", "turned_away"]
    issuer: str = ""
    api: str = ""
    client_id: str = ""
    scope: str = ""
    expires_in: int = 0
    token_type: str = ""
    method: str = ""
    path: str = ""
    error: str = ""
    error_description: str = ""
    detail: str = ""


class Client(msgspec.Struct, frozen=True, kw_only=True):
    """A registration; `key_file` holds the private JWK."""

    client_id: str
    key: PrivateKey
    key_file: Path


class Provider:
    """A running server; clients may be registered at any time."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path, options: object) -> None:
        self._process = process
        self._log = log
        self._tell(options)
        ready = self._wait(lambda: self._all("ready"))[0]
        self.issuer, self.api = ready.issuer, ready.api
        self.token_endpoint = f"{self.issuer}/token"

    def client(self, algorithm: str = "RS256", **metadata: object) -> Client:
        """Registers a new client with a key of its own.

        `metadata` is RFC 7591's, for example `jwks_uri`, and `token_lifetime`: the seconds that its tokens live.
        """
        client_id = f"client-{uuid4().hex[:12]}"
        key = new_key(algorithm)
        key_file = self._log.with_name(f"{client_id}.jwk")
        write_private_jwk(key_file, key)
        keys = {} if "jwks_uri" in metadata else {"jwks": public_jwks(key)}
        self.register(client_id, **{"token_endpoint_auth_signing_alg": algorithm, **keys, **metadata})
        return Client(client_id=client_id, key=key, key_file=key_file)

    def register(self, client_id: str, **metadata: object) -> None:
        """Registers a client, or replaces all of what is registered; in force when this returns."""
        known = len(self._about(client_id, "registered"))
        self._tell({"client_id": client_id, **metadata})
        self._wait(lambda: len(self._about(client_id, "registered")) > known)

    def change_nonces(self, how: Literal["forgotten", "next"]) -> None:
        """Others from now on; those before it are `forgotten`, or still accepted where time had made the `next`."""
        changes = len(self._all("nonces"))
        self._tell({"nonces": how})
        self._wait(lambda: len(self._all("nonces")) > changes)

    def called(self, client_id: str) -> list[Said]:
        """The requests of a client that its API let in."""
        return self._about(client_id, "called")

    def turned_away(self) -> list[Said]:
        """The requests that its API did not let in, whosever they were."""
        return self._all("turned_away")

    def granted(self, client_id: str) -> list[Said]:
        """The tokens that a client got so far."""
        return self._about(client_id, "granted")

    def refused(self, client_id: str) -> list[Said]:
        """The refusals that a client got so far."""
        return self._about(client_id, "refused")

    def _about(self, client_id: str, event: str) -> list[Said]:
        return [said for said in self._all(event) if said.client_id == client_id]

    def _all(self, event: str) -> list[Said]:
        return [said for said in self._said() if said.event == event]

    def _said(self) -> Iterator[Said]:
        with self._log.open("rb") as lines:
            yield from (msgspec.json.decode(line, type=Said) for line in lines if line.endswith(b"\n"))

    def _tell(self, message: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(msgspec.json.encode(message) + b"\n")
        self._process.stdin.flush()

    def _wait(self, look: Callable[[], T]) -> T:
        deadline = time.monotonic() + PATIENCE
        while not (found := look()):
            if self._process.poll() is not None or time.monotonic() > deadline:
                msg = f"oidc-provider does not answer; its stderr is in {self._log.with_suffix('.err')}"
                raise TimeoutError(msg)
            time.sleep(0.005)
        return found


@contextlib.contextmanager
def running(directory: Path, **options: object) -> Iterator[Provider]:
    """A server of one's own; `options` as `server.mjs` describes them. What it says is kept in `directory`."""
    log = directory / "oidc-provider.jsonl"
    with (
        log.open("wb") as stdout,
        log.with_suffix(".err").open("wb") as stderr,
        subprocess.Popen(
            [installed_node(), HERE / "server.mjs"], stdin=subprocess.PIPE, stdout=stdout, stderr=stderr
        ) as process,
    ):
        try:
            yield Provider(process, log, options)
        finally:
            process.terminate()


def installed_node() -> str:
    """The path of Node, with the server's packages installed beside it; skips the test where they cannot be had."""
    node = shutil.which("node") or missing("Node.js is not installed (version 20 or later)")
    npm_installed(HERE)
    return node


def new_key(algorithm: str) -> PrivateKey:
    """A key pair for a JWS algorithm (RFC 7518, RFC 8037), with a `kid`."""
    parameters: KeyParameters = {"kid": uuid4().hex[:12], "alg": algorithm, "use": "sig"}
    if algorithm in CURVES:
        return ECKey.generate_key(CURVES[algorithm], parameters)
    if algorithm in {"EdDSA", "Ed25519"}:
        return OKPKey.generate_key("Ed25519", parameters)
    return RSAKey.generate_key(2048, parameters)


def public_jwks(*keys: PrivateKey) -> dict[str, object]:
    """What a client registers (RFC 7517 section 5)."""
    return {"keys": [key.as_dict(private=False) for key in keys]}


def write_private_jwk(file: Path, key: PrivateKey) -> None:
    """Puts a key where a broker may read it, in one step, as a rotation does."""
    fresh = file.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(key.as_dict(private=True)))
    fresh.replace(file)
