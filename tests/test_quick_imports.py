"""`run` loads its modules without what it does not use; certificates are verified all the same."""

import asyncio
import gc
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from broker.cli.quick_imports import AUTHORITIES, quick_imports
from certificates import self_signed
from raw_server import answers, http, raw_server

#: What OpenSSL calls a certificate of an unknown authority.
UNKNOWN = "certificate verify failed"
QUICKLY = "from broker.cli.quick_imports import quick_imports\nwith quick_imports():\n    import aiohttp\n"
BARE_REQUEST = f"""
import asyncio, sys
{QUICKLY}
async def main():
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(sys.argv[1]) as answer:
                print(answer.status)
        except aiohttp.ClientError as error:
            print(error)
asyncio.run(main())
"""
OUR_REQUEST = f"""
import asyncio, sys, time
{QUICKLY}
from broker.core.errors import NetworkError
from broker.core.settings import Http
from broker.http_client.transport import Transport
async def main():
    transport = Transport(Http(proxy="none"), now=time.time, observe=print)
    try:
        print((await transport.get(sys.argv[1])).status)
    except NetworkError as error:
        print(error.fault, error)
    await transport.close()
asyncio.run(main())
"""


@pytest.fixture(params=["absent", "set"])
def authorities(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The variables before the import."""
    for name in AUTHORITIES:
        monkeypatch.delenv(name, raising=False)
        if request.param == "set":
            monkeypatch.setenv(name, f"/{name}")
    return {name: os.environ[name] for name in AUTHORITIES if name in os.environ}


def now_set() -> dict[str, str]:
    return {name: os.environ[name] for name in AUTHORITIES if name in os.environ}


def test_environment_is_restored_after_the_import(authorities: dict[str, str]) -> None:
    with quick_imports():
        assert not gc.isenabled()
        assert now_set() == dict.fromkeys(AUTHORITIES, os.devnull)
    assert now_set() == authorities


def test_failing_import_restores_environment_and_collector(authorities: dict[str, str]) -> None:
    with pytest.raises(ImportError), quick_imports():
        importlib.import_module("broker.no_such_module")
    assert now_set() == authorities
    assert gc.isenabled()


def test_collector_that_was_off_stays_off() -> None:
    gc.disable()
    try:
        with quick_imports():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


async def output_of(script: str, url: str, **environment: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, url), env={**os.environ, **environment}, stdout=subprocess.PIPE
    )
    output, _ = await process.communicate()
    assert process.returncode == 0
    return output.decode()


async def test_request_without_a_context_trusts_nobody(tmp_path: Path) -> None:
    ca_file, tls = self_signed(tmp_path)
    async with raw_server(answers(http(b"ok")), tls=tls) as server:
        url = f"https://127.0.0.1:{server.port}"
        assert UNKNOWN in await output_of(BARE_REQUEST, url, SSL_CERT_FILE=str(ca_file))
    assert server.requests == []


async def test_request_of_ours_trusts_the_system_store(tmp_path: Path) -> None:
    ca_file, tls = self_signed(tmp_path)
    async with raw_server(answers(http(b"ok")), tls=tls) as server:
        url = f"https://127.0.0.1:{server.port}"
        assert await output_of(OUR_REQUEST, url, SSL_CERT_FILE=str(ca_file)) == "200\n"


async def test_request_of_ours_refuses_an_unknown_authority(tmp_path: Path) -> None:
    _, tls = self_signed(tmp_path)
    async with raw_server(answers(http(b"ok")), tls=tls) as server:
        assert (await output_of(OUR_REQUEST, f"https://127.0.0.1:{server.port}")).startswith("tls ")
    assert server.requests == []
