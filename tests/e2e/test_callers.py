"""Callers of the installed command: secret files, signals and exit codes as an operator meets them."""

import asyncio
import signal
from pathlib import Path

import pytest

from broker.devserver import DevServer
from e2e.processes import config, get, run, started, write_key

ONE, TWO = "one-0123456789abcdef", "two-0123456789abcdef"
pytestmark = pytest.mark.slow
CALLERS = 'callers: {{reports: {{secret_file: {folder}/secret{more}}}}}, listen: ["127.0.0.1:0"]'


def with_caller(folder: Path, issuer: str, *, create: bool = False) -> str:
    file = config(folder, issuer=issuer)
    callers = CALLERS.format(folder=folder, more=", create: true" if create else "")
    file.write_text(file.read_text().replace('api: {listen: ["127.0.0.1:0"]}', f"api: {{{callers}}}"))
    return str(file)


async def status(api: str, secret: str) -> int:
    return (await get(f"{api}/v1/token", Authorization=f"Bearer {secret}"))[0]


async def test_sighup_has_secrets_read_at_once_and_none_is_ever_in_the_log(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(ONE)
    async with DevServer() as server:
        server.register("client", {"keys": [write_key(tmp_path / "key.jwk")]}, {"okta.users.read"})
        async with started("run", "--config", with_caller(tmp_path, server.issuer)) as broker:
            api = await broker.address("api")
            await broker.event("token_refreshed")
            assert (await get(f"{api}/v1/token"))[0] == 401
            assert [await status(api, secret) for secret in (ONE, TWO)] == [200, 401]
            (tmp_path / "secret").write_text(f"{ONE}\n{TWO}\n")
            broker.send(signal.SIGHUP)
            await broker.event("caller_loaded", secrets=2)
            assert [await status(api, secret) for secret in (ONE, TWO)] == [200, 200]
            (tmp_path / "secret").write_text("")
            broker.send(signal.SIGHUP)
            await broker.event("caller_refused", caller="reports")
            assert [await status(api, secret) for secret in (ONE, TWO)] == [200, 200]
            refused = await broker.event("request_refused", reason="caller")
            assert set(refused) == {"ts", "level", "event", "reason"}
            broker.send(signal.SIGTERM)
            assert await broker.ended() == 0
            assert ONE not in broker.output
            assert TWO not in broker.output


async def test_a_missing_secret_is_a_configuration_error_and_one_to_be_created_is_none(tmp_path: Path) -> None:
    async with DevServer() as server:
        server.register("client", {"keys": [write_key(tmp_path / "key.jwk")]}, {"okta.users.read"})
        code, out, err = await run("run", "--config", with_caller(tmp_path, server.issuer))
        assert (code, "listening" in out) == (2, False)
        assert err.startswith(f"token-broker: api.callers.reports.secret_file: {tmp_path}/secret cannot be read: ")
        async with started("run", "--config", with_caller(tmp_path, server.issuer, create=True)) as broker:
            await broker.event("caller_loaded", created=True)
            await broker.event("token_refreshed")
            secret = (await asyncio.to_thread((tmp_path / "secret").read_text)).strip()
            assert await status(await broker.address("api"), secret) == 200
            assert secret not in broker.output
