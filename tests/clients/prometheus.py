"""A real Prometheus with a configuration of a test: its own folder and port, ended afterwards."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from observability.prometheus import PATIENCE, Prometheus
from programs.installed import needed


async def holds(server: Prometheus, expression: str) -> None:
    """Wait until there is something for which the expression is true; say what its targets are if that is never."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await server.query(expression):
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise AssertionError(f"{expression}: {await server.get('targets')}") from None


@asynccontextmanager
async def prometheus(folder: Path, config: dict[str, Any]) -> AsyncIterator[Prometheus]:
    """Up and ready; what it said on stderr is in the AssertionError when it is not."""
    file, log = folder / "prometheus.yaml", folder / "prometheus.log"
    file.write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            needed("prometheus", "prometheus"),
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'prometheus-data'}",
            f"--web.listen-address={address}",
            "--log.level=warn",
            stderr=stderr,
        )
    try:
        async with aiohttp.ClientSession() as http:
            await ready(http, f"http://{address}/-/ready", process, log)
            yield Prometheus(f"http://{address}", http)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


async def ready(http: aiohttp.ClientSession, url: str, process: asyncio.subprocess.Process, log: Path) -> None:
    """Wait until `url` answers 200."""
    async with asyncio.timeout(PATIENCE):
        while True:
            assert process.returncode is None, log.read_text()
            try:
                async with http.get(url) as reply:
                    if reply.status == 200:
                        return
            except aiohttp.ClientError:
                pass
            await asyncio.sleep(0.1)
