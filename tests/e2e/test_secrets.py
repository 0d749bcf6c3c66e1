"""Whatever the broker is given to keep, it keeps: not even a hostile server, a crash or its own user gets it out."""

import asyncio
import base64
import ctypes
import json
import os
import resource
import secrets
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from certificates import certificate_of, pem_of
from e2e.processes import COMMAND, Running, config, started, write_key
from key_forms import jwk, native, pem, private_members

pytestmark = pytest.mark.slow
CONFIG = """\
api: {{listen: ["127.0.0.1:0"], callers: {{reports: {{secret_file: {here}/caller}}}}}}
admin: {{listen: ["127.0.0.1:0"]}}
log: {{level: debug, audit: true, format: {format}}}
clients:
  proxied:
    token_endpoint: http://as.example/token
    allow_http: true
    client_id: proxied
    private_key: {{file: {here}/key.jwk}}
    assertion: {{audience: token_endpoint, claims_file: {here}/claims.json}}
    http: {{proxy: "http://user@{address}", proxy_password_file: {here}/proxy-password}}
  bound:
    token_endpoint: http://{address}/token
    client_id: bound
    private_key: {{file: {here}/key.pem, passphrase_file: {here}/passphrase, certificate_file: {here}/certificate.pem}}
    assertion: {{audience: token_endpoint}}
    dpop: {{targets: ["https://api.example"]}}
  shown:
    token_endpoint: http://{address}/token
    client_id: shown
    assertion_file: {here}/assertion
tokens:
  one: {{client: proxied, parameters_file: {here}/parameters.json}}
  two: {{client: bound}}
  three: {{client: shown, callers: [anonymous]}}
"""
PATHS = ("/", "/livez", "/startupz", "/readyz", *(f"/readyz/{name}" for name in ("one", "two", "three")), "/metrics")
JWKS = tuple(f"/clients/{name}/jwks.json" for name in ("proxied", "bound", "shown"))


@dataclass
class HostileServer:
    """It grants tokens of some seconds, and remembers what it was shown; once told to, it throws that back at us."""

    address: str = ""
    refuses: bool = False
    shown: list[str] = field(default_factory=list)
    granted: list[str] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        form = await request.post()
        shown = [str(value) for name, value in form.items() if "assertion" in name and not name.endswith("type")]
        shown += [request.headers[name] for name in ("Proxy-Authorization", "DPoP") if name in request.headers]
        self.shown += shown
        if self.refuses:
            everything = " ".join([*shown, *map(str, form.values()), *self.granted[-3:]])
            headers = {"WWW-Authenticate": f"Bearer {shown[0]}", "X-Debug": shown[0], "DPoP-Nonce": shown[0][:200]}
            body = {"error": "invalid_client", "error_description": everything, "error_uri": shown[0]}
            return web.json_response(body, status=401, headers=headers)
        self.granted.append(f"{secrets.token_urlsafe(30)}.{secrets.token_urlsafe(60)}")
        kind = "DPoP" if "DPoP" in request.headers else "Bearer"
        return web.json_response({"access_token": self.granted[-1], "token_type": kind, "expires_in": 8})


@asynccontextmanager
async def hostile_server() -> AsyncIterator[HostileServer]:
    made = HostileServer()
    async with RawTestServer(made.answer) as server:
        made.address = f"127.0.0.1:{server.port}"
        yield made


@dataclass
class Given:
    """What the broker is given in files, and how each secret may look elsewhere."""

    folder: Path
    words: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, content: bytes, *words: str) -> None:
        (self.folder / name).write_bytes(content)
        self.words |= {f"{name} {number}": word for number, word in enumerate(words)}

    def all(self, server: HostileServer) -> Iterator[tuple[str, str]]:
        """Name and text: of long ones a part, in base64 too."""
        for name, word in self.words.items():
            yield name, word[:40]
            yield f"{name} in base64", base64.b64encode(word.encode()).decode().rstrip("=")[:40]
            yield f"{name} in hexadecimal", word.encode().hex()[:40]
        for number, token in enumerate(server.granted):
            yield f"token {number}", token[:40]
        for number, shown in enumerate(server.shown):
            yield f"shown {number}", shown[-40:]  # of assertions and proofs, the signature


def given(folder: Path) -> Given:
    made = Given(folder)
    word = secrets.token_urlsafe
    ec, rsa = native("P-256"), native("RSA")
    passphrase, caller, proxy = (word(24) for _ in range(3))
    # As long as what the broker takes for a secret in a server's words: a password of its own choice it cannot know.
    parameter, claim = (word(24) for _ in range(2))
    made.write("key.jwk", json.dumps(jwk(ec, kid="k1")).encode(), *private_members(ec).values())
    encrypted = pem(rsa, passphrase=passphrase.encode())
    made.write("key.pem", encrypted, *private_members(rsa).values(), *encrypted.decode().splitlines()[1:-1])
    made.write("certificate.pem", pem_of(certificate_of(rsa, not_before=1.7e9, not_after=1.71e9)))
    made.write("passphrase", passphrase.encode(), passphrase)
    made.write("caller", caller.encode(), caller)
    made.write("proxy-password", proxy.encode(), proxy)
    made.write("parameters.json", json.dumps({"api_key": parameter}).encode(), parameter)
    made.write("claims.json", json.dumps({"pin": claim}).encode(), claim)
    signed = ".".join(word(45) for _ in range(3))
    made.write("assertion", signed.encode(), signed, signed.rpartition(".")[2])
    return made


async def everything_asked(api: str, admin: str, caller: str) -> list[tuple[str, str]]:
    """Every path in every way, as they are meant to be asked and as they are not: what was asked, and the answer."""
    found = []
    async with aiohttp.ClientSession() as http:

        async def ask(method: str, url: str, **options: object) -> None:
            with suppress(aiohttp.ClientError):
                async with http.request(method, url, **options) as reply:  # type: ignore[arg-type]  # what each wants
                    found.append((f"{method} {url} {options}", f"{reply.status} {reply.headers}\n{await reply.text()}"))

        for path in (*PATHS, *JWKS, "/no/such/path"):
            for accept in ("text/html", "application/json", "application/openmetrics-text"):
                await ask("GET", admin + path, headers={"Accept": accept})
        for secret in (caller, "wrong", ""):
            headers = {"Metadata": "true", "Authorization": f"Bearer {secret}"}
            for name in ("one", "two", "three", "four"):
                for query in ("", "?min_ttl=7s", "?min_ttl=forever", "?wait=1s"):
                    await ask("GET", f"{api}/v1/tokens/{name}{query}", headers=headers)
                for body in ({"method": "GET", "url": "https://api.example/x"}, {"method": caller, "url": caller}):
                    await ask("POST", f"{api}/v1/tokens/{name}/proof", headers=headers, json=body)
                await ask("POST", f"{api}/v1/tokens/{name}/rejected", headers=headers, json={"access_token": caller})
                form = {"grant_type": "client_credentials", "client_id": name, "client_secret": secret}
                await ask("POST", f"{api}/oauth2/token", data=form)
        for path in ("/v1/token", "/.well-known/oauth-authorization-server", f"/{caller}"):
            await ask("GET", api + path, headers={"Metadata": "true", "X-Forwarded-For": caller})
    return found


def leaks(text: str, words: Iterable[tuple[str, str]]) -> set[str]:
    return {name for name, word in words if word in text}


@dataclass
class Scene:
    broker: Running
    server: HostileServer
    given: Given
    answers: list[tuple[str, str]] = field(default_factory=list)

    async def ask_everything(self) -> None:
        api, admin = await self.broker.address("api"), await self.broker.address("admin")
        caller = self.given.words["caller 0"]
        for asked, answer in await everything_asked(api, admin, caller):
            # Workloads are given tokens and proofs; that is what it is for. And nothing else.
            handed_out = asked.startswith(("GET http", "POST http")) and api in asked and answer.startswith("200 ")
            words = self.given.words.items() if handed_out else self.given.all(self.server)
            assert leaks(answer, words) == set(), asked
            self.answers.append((asked, answer))


@asynccontextmanager
async def scene(folder: Path, form: str) -> AsyncIterator[Scene]:
    made = given(folder)
    async with hostile_server() as server:
        (folder / "config.yaml").write_text(CONFIG.format(here=folder, address=server.address, format=form))
        async with started("run", "--config", str(folder / "config.yaml")) as broker:
            yield Scene(broker, server, made)


async def test_no_secret_is_in_logs_metrics_answers_or_the_environment(tmp_path: Path) -> None:
    async with scene(tmp_path, "json") as it:
        for name in ("one", "two", "three"):
            await it.broker.event("token_refreshed", token=name)
        await it.ask_everything()
        statuses = {answer[:3] for _, answer in it.answers}
        assert statuses >= {"200", "202", "400", "401", "403", "404"}

        it.server.refuses = True
        for name in ("one", "two", "three"):
            await it.broker.event("refresh_failed", token=name)
        await it.ask_everything()
        for name, junk in (("key.jwk", "{%s"), ("passphrase", "x%s"), ("certificate.pem", "%s"), ("caller", "")):
            content = (tmp_path / name).read_text()
            (tmp_path / name).write_text(junk % content if junk else "")
        it.broker.send(signal.SIGHUP)
        await it.broker.event("key_refused", client="proxied")
        await it.broker.event("key_refused", client="bound")
        await it.broker.event("caller_refused")
        for name in ("one", "two", "three"):
            await it.broker.event("token_expired", token=name)
        await it.ask_everything()

        words = dict(it.given.all(it.server))
        process = Path(f"/proc/{it.broker.process.pid}")
        for place in ("environ", "cmdline", "status", "limits"):
            if (process / place).exists():
                with suppress(PermissionError):  # no other than root may look, which is well
                    assert leaks((process / place).read_text(errors="replace"), words.items()) == set()
        it.broker.send(signal.SIGTERM)
        assert await it.broker.ended() == 0
        assert leaks(it.broker.output, words.items()) == set()
        # The search would have found them, had they been there.
        assert {event["event"] for event in it.broker.events} >= {"token_handed_out", "certificate_expiring", "request"}
        assert leaks(" ".join([*words.values(), "x"]), words.items()) == set(words)
        assert {word[:5] for word in words} >= {"shown", "token", "key.j", "key.p", "passp", "calle", "proxy", "param"}
        assert any("Basic " in shown for shown in it.server.shown)


async def test_no_secret_is_in_the_lines_for_people_either(tmp_path: Path) -> None:
    async with scene(tmp_path, "text") as it:
        async with asyncio.timeout(60):
            while sum(" token_refreshed " in line for line in it.broker.lines) < 3:
                await asyncio.sleep(0.05)
        it.server.refuses = True
        async with asyncio.timeout(60):
            while sum(" token_expired " in line for line in it.broker.lines) < 3:
                await asyncio.sleep(0.05)
        it.broker.send(signal.SIGTERM)
        assert await it.broker.ended() == 0
        assert leaks(it.broker.output, it.given.all(it.server)) == set()


@pytest.mark.parametrize("command", ["config show", "jwks", "healthcheck"])
def test_no_secret_is_in_what_other_commands_print(tmp_path: Path, command: str) -> None:
    made = given(tmp_path)
    (tmp_path / "config.yaml").write_text(CONFIG.format(here=tmp_path, address="127.0.0.1:9", format="json"))
    options = ["--client", "bound"] if command == "jwks" else []
    done = subprocess.run(
        [COMMAND, *command.split(), "--config", str(tmp_path / "config.yaml"), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout or done.stderr
    assert leaks(done.stdout + done.stderr, made.words.items()) == set()


linux = pytest.mark.skipif(sys.platform != "linux", reason="platform: only Linux has prctl(2)")
SLEEP = ("/bin/sleep", "60")
PR_CAPBSET_DROP, CAPABILITIES = 24, 64
#: As `run` begins, where a limit on cores does not bind; then it crashes.
CRASH = """
import os, resource
resource.setrlimit = lambda *_: None
from broker.app.daemon import harden
harden()
os.abort()
"""
#: Of another process of the same user: its memory, its environment, and whether it may be traced.
LOOK = """
import ctypes, sys
pid = int(sys.argv[1])
for place in ("mem", "environ"):
    try:
        with open(f"/proc/{pid}/{place}", "rb") as file:
            file.read(0)
        print(place)
    except OSError:
        pass
if ctypes.CDLL(None).ptrace(16, pid, 0, 0) == 0:
    print("ptrace")
"""


def as_any_user() -> None:
    """In a child: cores as large as this machine lets them be, and for root no more rights than for anybody."""
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    if os.geteuid() == 0:
        for capability in range(CAPABILITIES):
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


@contextmanager
def child(folder: Path, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, preexec_fn=as_any_user) as process:  # noqa: PLW1509 - there are no threads
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()


@contextmanager
def broker_in(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """One that has read its key."""
    write_key(folder / "key.jwk")
    file = config(folder, issuer="http://127.0.0.1:9")
    with child(folder, COMMAND, "run", "--config", str(file)) as broker:
        assert broker.stdout
        assert any(b'"key_loaded"' in line for line in broker.stdout)
        yield broker


def dumped_core(process: "subprocess.Popen[bytes]") -> bool:
    """Whether the kernel wrote a core, or piped one to a handler, when the process was killed by a signal."""
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -os.WTERMSIG(status)
    assert process.returncode < 0
    return os.WCOREDUMP(status)


@pytest.fixture
def cores(tmp_path: Path) -> Path:
    """A folder to crash in, on a machine where crashes leave cores."""
    folder = tmp_path / "cores"
    folder.mkdir()
    with child(tmp_path, sys.executable, "-c", "import os; os.abort()") as ordinary:
        if not dumped_core(ordinary):
            pytest.skip("platform: no process leaves a core on this machine")
    return folder


@linux
@pytest.mark.parametrize("what", [signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT])
def test_a_crash_leaves_no_core(cores: Path, what: signal.Signals) -> None:
    with broker_in(cores) as broker:
        broker.send_signal(what)
        assert not dumped_core(broker)
    assert {file.name for file in cores.iterdir()} == {"key.jwk", "config.yaml"}


@linux
def test_a_crash_leaves_no_core_either_where_a_handler_takes_them_whatever_the_limit(cores: Path) -> None:
    with child(cores, sys.executable, "-c", CRASH) as crashing:
        assert not dumped_core(crashing)
    assert list(cores.iterdir()) == []


@linux
def test_no_other_process_of_the_same_user_may_look_into_it(tmp_path: Path) -> None:
    def seen_of(process: "subprocess.Popen[bytes]") -> set[bytes]:
        with child(tmp_path, sys.executable, "-c", LOOK, str(process.pid)) as looking:
            return set(looking.communicate()[0].split())

    with child(tmp_path, *SLEEP) as ordinary:
        if not seen_of(ordinary):
            pytest.skip("rights: no process may look into another on this machine")
    with broker_in(tmp_path) as broker:
        assert seen_of(broker) == set()
