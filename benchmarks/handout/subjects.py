"""The servers that are compared, each a process of its own on the core for servers."""

import contextlib
import http.client
import json
import os
import secrets
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from joserfc.jwk import RSAKey

from benchmarks.footprint.measuring import PATIENCE, Server, free_port, started
from benchmarks.handout import nginx

SERVERS, LOAD = 0, 1  # the core for the measured server, and the one for whatever asks it
CLIENT = "bench"
BARE = str(Path(__file__).with_name("bare.py"))
# A development environment has uvloop and the image has not; the broker takes it where it is.
WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; from broker.__main__ import main; main()"
LOOPS = ("uvloop", "asyncio")
BROKER = {"uvloop": [sys.executable, "-m", "broker"], "asyncio": [sys.executable, "-c", WITHOUT_UVLOOP]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A running server: `port` takes the requests, `admin` is 0 but for a broker."""

    pid: int
    port: int
    admin: int = 0
    secret: str = ""

    def cpu(self) -> float:
        """Seconds of CPU so far, of all its threads, in user space and in the kernel."""
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def signal(self, number: signal.Signals) -> None:
        """Send it."""
        os.kill(self.pid, number)

    def get(self, path: str) -> bytes:
        """The body of one answer, which has to be 200."""
        headers = {"Metadata": "true"} | ({"Authorization": f"Bearer {self.secret}"} if self.secret else {})
        return fetched(self.port, path, headers)


@dataclass(slots=True, kw_only=True)
class Bench:
    """Starts servers; `directory` is for their files."""

    directory: Path
    _made: int = field(default=0, init=False)

    def on(self, core: int, command: Sequence[str]) -> list[str]:
        """The command, kept to one core; the process keeps its id."""
        return ["taskset", "--cpu-list", str(core), *command]

    def folder(self) -> Path:
        """A new one."""
        self._made += 1
        folder = self.directory / str(self._made)
        folder.mkdir()
        return folder

    @contextlib.contextmanager
    def nginx(self, body: bytes, paths: Sequence[str] = ("/v1/token",)) -> Iterator[Subject]:
        """An nginx that answers `body` to all the paths."""
        port = free_port()
        command = self.on(SERVERS, nginx.command(self.folder(), port, body, paths))
        with started(Server(command=command, port=port, path=paths[0])) as pid:
            yield Subject(pid=pid, port=port)

    @contextlib.contextmanager
    def bare(self, body: bytes, *, api: str, loop: str) -> Iterator[Subject]:
        """An aiohttp server that answers `body`: see bare.py for `api` and `loop`."""
        port, file = free_port(), self.folder() / "body"
        file.write_bytes(body)
        command = self.on(SERVERS, [sys.executable, BARE, str(port), str(file), api, loop])
        with started(Server(command=command, port=port, path="/v1/token")) as pid:
            yield Subject(pid=pid, port=port)

    @contextlib.contextmanager
    def broker(
        self,
        issuer: "Issuer",
        *,
        loop: str = "uvloop",
        tokens: int = 1,
        caller: bool = False,
        api: Mapping[str, object] | None = None,
        program: Sequence[str] = (),
    ) -> Iterator[Subject]:
        """`run`, as a user starts it: guard on, `tokens` tokens of one client, one caller if asked for.

        `api` are further settings of that section, `program` another way to start the broker.
        """
        folder, port, admin = self.folder(), free_port(), free_port()
        secret = secrets.token_urlsafe(32) if caller else ""
        callers = {}
        if caller:
            (folder / "caller").write_text(secret, encoding="utf-8")
            callers = {"callers": {"workload": {"secret_file": str(folder / "caller")}}}
        settings = {
            "api": {"listen": [f"127.0.0.1:{port}"], **callers, **(api or {})},
            "admin": {"listen": [f"127.0.0.1:{admin}"]},
            "clients": {
                "okta": {
                    "provider": "okta",
                    "issuer": f"http://127.0.0.1:{issuer.port}",
                    "client_id": CLIENT,
                    "private_key": {"file": str(issuer.key)},
                }
            },
            "tokens": {f"t{number}": {"scopes": ["okta.users.read"]} for number in range(tokens)},
        }
        config = folder / "config.yaml"
        config.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
        command = self.on(SERVERS, [*(program or BROKER[loop]), "run", "--config", str(config)])
        with started(Server(command=command, port=admin)) as pid:
            yield Subject(pid=pid, port=port, admin=admin, secret=secret)

    @contextlib.contextmanager
    def issuer(self, lifetime: str = "1h") -> Iterator["Issuer"]:
        """The authorization server that brokers ask, on the core for the load: it checks signatures, of two keys."""
        folder, port = self.folder(), free_port()
        keys = [RSAKey.generate_key(2048, {"kid": kid}) for kid in ("one", "two")]
        public = {"keys": [key.as_dict(private=False) for key in keys]}
        (folder / "jwks.json").write_text(json.dumps(public), encoding="utf-8")
        client = f"{CLIENT}={folder / 'jwks.json'}"
        listen = ["--listen", f"127.0.0.1:{port}", "--client", client, "--lifetime", lifetime]
        command = self.on(LOAD, [*BROKER["uvloop"], "dev-server", *listen])
        issuer = Issuer(
            port=port, key=folder / "key.jwk", keys=tuple(json.dumps(key.as_dict(private=True)) for key in keys)
        )
        issuer.swap(0)
        with started(Server(command=command, port=port, path="/.well-known/openid-configuration")):
            yield issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """The running authorization server, and the file with the private key that brokers use, one of two."""

    port: int
    key: Path
    keys: Sequence[str] = field(repr=False)

    def swap(self, number: int) -> None:
        """Replace the private key, in one step."""
        fresh = self.key.with_suffix(".new")
        fresh.write_text(self.keys[number % len(self.keys)], encoding="utf-8")
        fresh.replace(self.key)

    def requests(self) -> int:
        """Token requests so far."""
        return int(json.loads(fetched(self.port, "/dev/requests"))["total"])

    def delay(self, seconds: float) -> None:
        """Take so long over each token request."""
        order = json.dumps({"delay": seconds})
        fetched(self.port, "/dev/faults", {"Content-Type": "application/json"}, order)


def fetched(port: int, path: str, headers: Mapping[str, str] | None = None, order: str | None = None) -> bytes:
    """The body of the answer to a GET, or to the POST of `order`. Ends the program when it is not 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        connection.request("GET" if order is None else "POST", path, order, dict(headers or {}))
        answer = connection.getresponse()
        body = answer.read()
    if answer.status != http.HTTPStatus.OK:
        sys.exit(f"port {port} answers {path} with {answer.status}: {body.decode(errors='replace')}")
    return body
