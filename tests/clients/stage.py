"""What a snippet of docs/clients.md runs against: the daemon, and an API that takes nothing but its current token."""

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from broker.devserver import DevServer
from broker.devserver.proofs import ProofVerifier
from broker.devserver.texts import RefusedError
from clients.page import SNIPPETS
from e2e.processes import PATIENCE, Running, get, started, write_key
from key_forms import segments

Handler = Callable[[web.BaseRequest], Awaitable[web.Response]]
SECRET = "reports-0123456789abcdef"
USERS = "the users of the API"
#: What the page says, for a test to put its own in the place of.
BROKER, API, SECRET_FILE = "http://127.0.0.1:7180", "https://api.example.com", "/var/run/secrets/callers/reports"
CONFIG = """\
api:
  listen: ["127.0.0.1:0"]
  token_endpoint: {endpoint}
  callers:
    reports: {{secret_file: {folder}/reports}}
admin: {{listen: ["127.0.0.1:0"]}}
clients:
  c:
    provider: okta
    issuer: {issuer}
    token_endpoint: {issuer}/oauth2/v1/token
    client_id: client
    private_key: {{file: {folder}/key.jwk}}
    dpop: {dpop}
tokens:
  users-api:
    scopes: [okta.users.read]
    callers: [reports, anonymous]
  payroll:
    scopes: [okta.users.read]
    callers: [reports]
"""


@dataclass
class Stage:
    """`broker`, `admin` and `api` are base URLs.

    `calls` are the paths that the API was asked for, `refused` those it refused.
    """

    folder: Path
    running: Running
    broker: str
    admin: str
    api: str
    calls: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    #: How many calls are refused whatever their token is.
    distrust: int = 0
    #: What judges the proofs for DPoP tokens.
    proofs: ProofVerifier = field(default_factory=lambda: ProofVerifier(time.time, nonce_required=False))

    def paste(self, name: str) -> str:
        """The snippet of the page, with our addresses."""
        code = SNIPPETS[name].code
        return (
            code.replace(BROKER, self.broker).replace(API, self.api).replace(SECRET_FILE, str(self.folder / "reports"))
        )

    async def run(self, *command: str | Path, **env: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a command that has the environment that the page advises."""
        process = await asyncio.create_subprocess_exec(
            *command,
            cwd=self.folder,
            env=environment(TOKEN_BROKER_URL=self.broker, **env),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(PATIENCE):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode or 0, out.decode(), err.decode()

    async def calls_the_api(self, *command: str | Path, **env: str) -> None:
        """The command prints what the API says to who has the current token, and nobody prints the secret."""
        code, out, err = await self.run(*command, **env)
        assert (code, out.strip()) == (0, USERS), f"{out}\n{err}"
        assert (self.calls, self.refused) == (["/users"], [])
        assert SECRET not in out + err + self.running.output

    async def current(self) -> str:
        """The current token, as the broker says."""
        return (await self.held())[1]

    async def held(self) -> tuple[str, str]:
        """The type of the current token, and the token."""
        status, said = await get(f"{self.broker}/v1/tokens/users-api")
        assert status == 200, said
        members = json.loads(said)
        return members["token_type"], members["access_token"]

    async def sample(self, name: str, **labels: str) -> float:
        """A sample of the broker's metrics; 0 when there is none."""
        _, text = await get(f"{self.admin}/metrics")
        wanted = ",".join(f'{label}="{labels[label]}"' for label in sorted(labels))
        found = re.search(rf"^{re.escape(f'{name}{{{wanted}}}')} (\S+)$", text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """The API."""
        self.calls.append(request.path)
        scheme, token = await self.held()
        good = request.headers.getall("Authorization", []) == [f"{scheme} {token}"]
        error = "" if good and not self.distrust else "invalid_token"
        if not error and scheme == "DPoP":
            error = self.judged(request, token)
        if error:
            self.distrust = max(0, self.distrust - 1)
            self.refused.append(request.path)
            nonce = {"DPoP-Nonce": self.proofs.nonce()} if error == "use_dpop_nonce" else {}
            return web.Response(status=401, headers={"WWW-Authenticate": f'{scheme} error="{error}"', **nonce})
        if request.path == "/metrics":
            return web.Response(text="users 3\n", headers={"Content-Type": "text/plain; version=0.0.4"})
        return web.Response(text=f"{USERS}\n")

    def judged(self, request: web.BaseRequest, token: str) -> str:
        """What is wrong with the proof, if anything is."""
        sent, url = request.headers.getall("DPoP", []), self.api + request.path
        try:
            jkt = self.proofs.judge(sent, method=request.method, url=url, now=time.time(), access_token=token)
        except RefusedError as error:
            return str(error.refusal.body()["error"])
        return "" if segments(token)[1]["cnf"] == {"jkt": jkt} else "invalid_token"


def environment(**more: str) -> Mapping[str, str]:
    """Ours without what a developer has set about brokers and proxies, and with a proxy where nobody is."""
    foreign = re.compile("^TOKEN_BROKER_|_proxy$", re.IGNORECASE)
    mine = {name: value for name, value in os.environ.items() if not foreign.search(name)}
    dead = "http://127.0.0.1:1"
    path = f"{Path(sys.executable).parent}{os.pathsep}{mine.get('PATH', os.defpath)}"  # has token-broker
    proxies = {"http_proxy": dead, "https_proxy": dead, "HTTP_PROXY": dead, "NO_PROXY": "localhost,127.0.0.1"}
    return {**mine, "PATH": path, **proxies, **more}


@asynccontextmanager
async def staged(folder: Path, *, open_endpoint: bool = False, dpop: bool = False) -> AsyncIterator[Stage]:
    """All started, with tokens held; ended afterwards. `dpop`: they are DPoP tokens."""
    (folder / "reports").write_text(SECRET)
    async with DevServer() as server, api() as (address, serve):
        server.register("client", {"keys": [write_key(folder / "key.jwk")]}, {"okta.users.read"}, dpop=dpop)
        config = folder / "config.yaml"
        config.write_text(
            CONFIG.format(
                folder=folder,
                issuer=server.issuer,
                endpoint="open" if open_endpoint else "callers",
                dpop=json.dumps({"targets": [address]} if dpop else False),
            )
        )
        async with started("run", "--config", str(config)) as running:
            stage = Stage(folder, running, await running.address("api"), await running.address("admin"), address)
            for token in ("users-api", "payroll"):
                await running.event("token_refreshed", token=token)
            serve(stage.handle)
            yield stage


@asynccontextmanager
async def api() -> AsyncIterator[tuple[str, Callable[[Handler], None]]]:
    """A server's base URL, and who to tell what answers there."""
    handlers: list[Handler] = []

    async def answer(request: web.BaseRequest) -> web.Response:
        return await handlers[-1](request)

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", handlers.append
    finally:
        await runner.cleanup()
