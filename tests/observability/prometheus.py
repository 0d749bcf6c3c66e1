"""A real Prometheus over targets of a test: an interval of a second, its own folder and port, ended afterwards."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from programs.installed import needed

PATIENCE = 30.0


@dataclass(frozen=True)
class Target:
    """Who is scraped, as host and port, and the labels that a PodMonitor would have attached."""

    address: str
    labels: dict[str, str]

    @classmethod
    def broker(cls, admin: str, *, namespace: str, pod: str) -> "Target":
        """`admin` is the base URL of its admin listener."""
        return cls(
            admin.removeprefix("http://"),
            {"namespace": namespace, "pod": pod, "container": "token-broker", "job": "monitoring/token-broker"},
        )


class Prometheus:
    """Its HTTP API, as far as tests ask it."""

    def __init__(self, base: str, http: aiohttp.ClientSession) -> None:
        self._base = base
        self._http = http

    async def get(self, path: str, **parameters: str) -> Any:
        """`data` of an answer; an error is an AssertionError with Prometheus' own words."""
        async with self._http.get(f"{self._base}/api/v1/{path}", params=parameters) as reply:
            body = await reply.json()
        assert body["status"] == "success", f"{parameters}: {body.get('error')}"
        return body["data"]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """The vector, or the one scalar as such, at this moment."""
        data = await self.get("query", query=expression)
        return list(data["result"])

    async def firing(self) -> set[tuple[str, str]]:
        """Name and Pod of each alert that fires."""
        found = (await self.get("alerts"))["alerts"]
        return {
            (each["labels"]["alertname"], each["labels"].get("pod", "")) for each in found if each["state"] == "firing"
        }


@asynccontextmanager
async def prometheus(
    folder: Path, targets: Iterable[Target], *, rules: Iterable[Path] = ()
) -> AsyncIterator[Prometheus]:
    """Up and ready; what it said on stderr is in the AssertionError when it is not."""
    config = folder / "prometheus.yaml"
    jobs = {target.labels["job"] for target in targets}
    config.write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
                "rule_files": [str(file) for file in rules],
                "scrape_configs": [
                    {
                        "job_name": job,
                        "honor_labels": True,
                        "static_configs": [
                            {"targets": [target.address], "labels": target.labels}
                            for target in targets
                            if target.labels["job"] == job
                        ],
                    }
                    for job in sorted(jobs)
                ],
            }
        )
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            needed("prometheus", "prometheus"),
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'prometheus-data'}",
            f"--web.listen-address={address}",
            "--log.level=warn",
            stderr=log,
        )
    try:
        async with aiohttp.ClientSession() as http:
            await _ready(http, f"http://{address}", process, folder / "prometheus.log")
            yield Prometheus(f"http://{address}", http)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _ready(http: aiohttp.ClientSession, base: str, process: asyncio.subprocess.Process, log: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            assert process.returncode is None, log.read_text()
            try:
                async with http.get(f"{base}/-/ready") as reply:
                    if reply.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
