"""The installed command, started as users start it."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from joserfc.jwk import ECKey

COMMAND = str(Path(sys.executable).with_name("token-broker"))
PATIENCE = 60.0


@dataclass
class Running:
    """A started command; its output is read all along."""

    process: asyncio.subprocess.Process
    lines: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    _readers: list[asyncio.Task[None]] = field(default_factory=list)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines if line.startswith("{")]

    @property
    def output(self) -> str:
        return "\n".join([*self.lines, *self.errors])

    async def event(self, name: str, **expected: object) -> dict[str, Any]:
        """The first log line of this event with these members, awaited."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for event in self.events:
                    if event["event"] == name and expected.items() <= event.items():
                        return event
                if self.process.returncode is not None:
                    raise AssertionError(f"ended with {self.process.returncode} before {name}: {self.output}")
                await asyncio.sleep(0.02)

    async def address(self, listener: str) -> str:
        """Where it listens, as a base URL."""
        event = await self.event("listening", listener=listener)
        return f"http://{event['addresses'][0]}"

    def send(self, what: signal.Signals) -> None:
        self.process.send_signal(what)

    async def ended(self) -> int:
        """Its exit code."""
        async with asyncio.timeout(PATIENCE):
            code = await self.process.wait()
            await asyncio.gather(*self._readers)
        return code


@asynccontextmanager
async def started(*arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Running]:
    """`token-broker arguments…`; killed afterwards if it still runs."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TOKEN_BROKER_")}
    process = await asyncio.create_subprocess_exec(
        COMMAND,
        *arguments,
        env={**clean, **(env or {})},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    running = Running(process)

    async def read(stream: asyncio.StreamReader | None, lines: list[str]) -> None:
        assert stream is not None
        while line := await stream.readline():
            lines.append(line.decode().rstrip("\n"))

    running._readers = [
        asyncio.create_task(read(process.stdout, running.lines)),
        asyncio.create_task(read(process.stderr, running.errors)),
    ]
    try:
        yield running
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                await asyncio.wait_for(process.wait(), 10)
            except TimeoutError:
                process.kill()
                await process.wait()
        await asyncio.gather(*running._readers)


async def run(*arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command that ends by itself."""
    async with started(*arguments, env=env) as running:
        code = await running.ended()
        return code, "\n".join(running.lines), "\n".join(running.errors)


def write_key(file: Path, kid: str = "k1") -> dict[str, Any]:
    """A new ES256 key in `file`; its public JWK."""
    key = ECKey.generate_key("P-256", {"kid": kid, "use": "sig", "alg": "ES256"})
    file.write_text(json.dumps(key.as_dict(private=True)))
    return dict(key.as_dict(private=False))


def config(folder: Path, *, issuer: str, extra: str = "", tokens: str = "  t: {scopes: [okta.users.read]}") -> Path:
    """A configuration file for one client with the key `folder/key.jwk`, on free ports."""
    file = folder / "config.yaml"
    file.write_text(f"""\
api: {{listen: ["127.0.0.1:0"]}}
admin: {{listen: ["127.0.0.1:0"]}}
clients:
  c:
    provider: okta
    issuer: {issuer}
    token_endpoint: {issuer}/oauth2/v1/token
    client_id: client
    private_key: {{file: {folder}/key.jwk}}
tokens:
{tokens}
{extra}
""")
    return file


async def get(url: str, **headers: str) -> tuple[int, str]:
    """Status and text of a GET with `Metadata: true`."""
    async with (
        aiohttp.ClientSession() as http,
        http.get(url, headers={"Metadata": "true", **headers}) as reply,
    ):
        return reply.status, await reply.text()


async def eventually(url: str, status: int) -> str:
    """The text of the first answer with this status."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                found, text = await get(url)
            except aiohttp.ClientError:
                found, text = 0, ""
            if found == status:
                return text
            await asyncio.sleep(0.05)
