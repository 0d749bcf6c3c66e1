"""The installed command for two minutes under load, with short tokens, rotations and a server that misbehaves."""

import asyncio
import json
import random
import signal
import time
from collections import Counter
from pathlib import Path

import aiohttp
import pytest

from broker.devserver import DevServer, Fault
from e2e.processes import config, started, write_key

pytestmark = pytest.mark.slow
SECONDS = 120
LIFETIME = 12


async def test_two_minutes_of_load_rotations_and_faults_miss_nothing_and_leak_nothing(tmp_path: Path) -> None:
    draw = random.Random(1)
    statuses: Counter[int] = Counter()
    least = float("inf")
    async with DevServer(lifetime=LIFETIME) as server:
        keys = [write_key(tmp_path / "key.jwk", "k0")]
        server.register("client", {"keys": keys}, {"okta.users.read"})
        async with started("run", "--config", str(config(tmp_path, issuer=server.issuer))) as broker:
            api, admin = await broker.address("api"), await broker.address("admin")
            await broker.event("token_refreshed")
            until = time.monotonic() + SECONDS

            async def workload(http: aiohttp.ClientSession) -> None:
                nonlocal least
                while time.monotonic() < until:
                    async with http.get(f"{api}/v1/token", headers={"Metadata": "true"}) as reply:
                        statuses[reply.status] += 1
                        body = await reply.json()
                        least = min(least, body.get("expires_in", 0))
                    await asyncio.sleep(draw.uniform(0, 0.02))

            async def trouble() -> None:
                number = 0
                while time.monotonic() < until:
                    number += 1
                    fault = draw.choice([Fault(status=503), Fault(reset=True), Fault(lose_answer=True), Fault(delay=1)])
                    server.faults.set(fault)
                    await asyncio.sleep(1.5)
                    server.faults.clear()
                    keys[:] = [*keys[-1:], write_key(tmp_path / "key.jwk", f"k{number}")]
                    server.register("client", {"keys": keys}, {"okta.users.read"})
                    await asyncio.sleep(4)

            async def memory(http: aiohttp.ClientSession) -> float:
                async with http.get(f"{admin}/metrics") as reply:
                    text = await reply.text()
                return next(
                    float(line.split()[1])
                    for line in text.splitlines()
                    if line.startswith("process_resident_memory_bytes ")
                )

            async with aiohttp.ClientSession() as http:
                load = [asyncio.create_task(workload(http)) for _ in range(10)]
                mischief = asyncio.create_task(trouble())
                await asyncio.sleep(SECONDS / 4)
                early = await memory(http)
                await asyncio.gather(*load, mischief)
                late = await memory(http)
            broker.send(signal.SIGTERM)
            assert await broker.ended() == 0
        assert server.journal.repeated == 0
        assert server.journal.crashes == []
    assert set(statuses) == {200}
    assert statuses[200] > SECONDS * 50
    assert least >= 1
    assert late - early < 4 << 20
    assert not [event for event in broker.events if event["event"] in {"internal_error", "library", "token_expired"}]
    assert json.loads((tmp_path / "key.jwk").read_text())["d"] not in broker.output
