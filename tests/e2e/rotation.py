"""What a rotation needs: an authorization server, the commands of the walk-through, pods whose Secret is swapped."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from e2e.processes import PATIENCE, Running, config, get, run, started
from key_volume import Volume

#: Replaced every two and a half seconds, half of that ahead of its expiry.
LIFETIME = "5s"


async def keygen(folder: Path, kid: str) -> Path:
    """`token-broker keygen`, whose private key is in `kid.jwk`; the file with the public one."""
    code, public, errors = await run("keygen", "--algorithm", "ES256", "--kid", kid, "--out", f"{folder}/{kid}.jwk")
    assert code == 0, errors
    file = folder / f"{kid}.public.jwk"
    file.write_text(public)
    return file


def publish(file: Path, document: str) -> None:
    """As careful hosts of static files do, in one step."""
    beside = file.with_suffix(".new")
    beside.write_text(document)
    beside.rename(file)


def save(file: Path, *public: Path) -> None:
    """What an administrator leaves under "Save keys" in the console."""
    publish(file, json.dumps({"keys": [json.loads(key.read_text()) for key in public]}))


@asynccontextmanager
async def authorization_server(keys: str) -> AsyncIterator[str]:
    """The issuer of `token-broker dev-server`, at which `client` has registered `keys`, a file or a URL."""
    arguments = ("--listen", "127.0.0.1:0", "--client", f"client={keys}", "--lifetime", LIFETIME)
    async with started("dev-server", *arguments, env={"PYTHONUNBUFFERED": "1"}) as server:
        async with asyncio.timeout(PATIENCE):
            while not (found := [line.split()[1] for line in server.lines if line.startswith("issuer ")]):
                assert server.process.returncode is None, server.output
                await asyncio.sleep(0.02)
        yield found[0]


@dataclass
class Pod:
    """A broker with its volume, and a workload that asks all the time."""

    broker: Running
    volume: Volume
    config: Path
    api: str
    answers: list[int] = field(default_factory=list)

    def swap(self, key: Path) -> None:
        """As kubelet does when the Secret has changed."""
        self.volume.write(**{"key.jwk": key.read_bytes()})

    async def told(self, event: str, **expected: object) -> None:
        await self.broker.event(event, **expected)

    @property
    def events(self) -> list[str]:
        return [event["event"] for event in self.broker.events]

    async def kids_in_use(self) -> list[str]:
        """As Prometheus sees them."""
        _, metrics = await get(f"{await self.broker.address('admin')}/metrics")
        return re.findall(r'^token_broker_key_info\{.*kid="(.*?)"', metrics, re.MULTILINE)

    async def work(self) -> None:
        """Ask as a workload that knows rule one."""
        async with aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"{self.api}/v1/token", headers={"Metadata": "true"}) as reply:
                    self.answers.append(reply.status)
                    await reply.read()
                await asyncio.sleep(0.02)

    @property
    def missed(self) -> int:
        assert len(self.answers) > 50
        return sum(status != 200 for status in self.answers)


@asynccontextmanager
async def pod(folder: Path, issuer: str, key: Path) -> AsyncIterator[Pod]:
    """One that holds a token, with `key` in its Secret, and has a workload."""
    folder.mkdir()
    volume = Volume(folder)
    volume.write(**{"key.jwk": key.read_bytes()})
    file = config(folder, issuer=issuer)
    async with started("run", "--config", str(file)) as broker:
        await broker.event("token_refreshed")
        running = Pod(broker, volume, file, await broker.address("api"))
        workload = asyncio.create_task(running.work())
        try:
            yield running
            assert not workload.done(), "the workload met no broker"
        finally:
            workload.cancel()
            await asyncio.gather(workload, return_exceptions=True)
