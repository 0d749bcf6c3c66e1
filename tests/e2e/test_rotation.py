"""The walk-throughs of docs/keys.md with the commands, and with pods whose workloads never miss."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from broker.devserver.keysets import JWKS_URI_MAX_AGE
from e2e.processes import run
from e2e.rotation import authorization_server, keygen, pod, publish, save

pytestmark = pytest.mark.slow


@asynccontextmanager
async def static_files(folder: Path) -> AsyncIterator[str]:
    """What somebody runs anyway: a host of static files."""
    application = web.Application()
    application.router.add_static("/", folder)
    async with TestServer(application) as server:
        yield f"http://127.0.0.1:{server.port}"


async def jwks(file: Path, *options: str) -> str:
    """`token-broker jwks`, which knows the keys of a pod from its configuration."""
    code, document, errors = await run("jwks", "--config", str(file), *options)
    assert code == 0, errors
    return document


async def test_keys_saved_at_the_provider_are_rotated_without_a_missed_hand_out(tmp_path: Path) -> None:
    old, saved = await keygen(tmp_path, "old"), tmp_path / "saved.json"
    save(saved, old)
    async with (
        authorization_server(str(saved)) as issuer,
        pod(tmp_path / "web-0", issuer, tmp_path / "old.jwk") as early,
        pod(tmp_path / "web-1", issuer, tmp_path / "old.jwk") as late,
    ):
        new = await keygen(tmp_path, "new")  # 1
        save(saved, old, new)  # 2
        early.swap(tmp_path / "new.jwk")  # 3, which no two kubelets do at the same time
        await early.told("key_accepted", kid="new")
        late.swap(tmp_path / "new.jwk")
        await late.told("key_accepted", kid="new")  # 4
        for one in (early, late):
            await one.told("key_retired", kid="old")
            assert await one.kids_in_use() == ["new"]
        save(saved, new)  # 5
        await asyncio.sleep(10)
        assert (early.missed, late.missed) == (0, 0)
        for one in (early, late):
            assert "refresh_failed" not in one.events
            assert "key_fell_back" not in one.events


async def test_a_key_swapped_before_it_was_saved_is_made_good_by_the_one_before_it(tmp_path: Path) -> None:
    old, saved = await keygen(tmp_path, "old"), tmp_path / "saved.json"
    save(saved, old)
    async with (
        authorization_server(str(saved)) as issuer,
        pod(tmp_path / "web-0", issuer, tmp_path / "old.jwk") as web,
    ):
        new = await keygen(tmp_path, "new")
        web.swap(tmp_path / "new.jwk")
        await web.told("key_fell_back", kid="old", refused="new", reason="kid_refused")
        assert set(await web.kids_in_use()) == {"old", "new"}
        await asyncio.sleep(10)
        save(saved, old, new)
        await asyncio.sleep(5)
        save(saved, new)  # without having waited for key_accepted
        await web.told("key_accepted", kid="new")
        await asyncio.sleep(5)
        assert web.missed == 0
        assert "refresh_failed" not in web.events


async def test_a_key_put_back_is_used_again_without_a_missed_hand_out(tmp_path: Path) -> None:
    old, saved = await keygen(tmp_path, "old"), tmp_path / "saved.json"
    await keygen(tmp_path, "new")
    save(saved, old)
    async with (
        authorization_server(str(saved)) as issuer,
        pod(tmp_path / "web-0", issuer, tmp_path / "old.jwk") as web,
    ):
        web.swap(tmp_path / "new.jwk")
        await web.told("key_fell_back", kid="old", refused="new")
        web.swap(tmp_path / "old.jwk")
        await asyncio.sleep(8)
        assert web.missed == 0
        assert [event["kid"] for event in web.broker.events if event["event"] == "key_loaded"] == ["old", "new", "old"]
        assert "refresh_failed" not in web.events


async def test_a_jwks_behind_a_url_is_rotated_without_a_missed_hand_out_however_long_the_provider_remembers(
    tmp_path: Path,
) -> None:
    """One pod waits until the server has read the new document, as told to, the other is given its key too early."""
    host = tmp_path / "host"
    host.mkdir()
    old, document = await keygen(tmp_path, "old"), host / "jwks.json"
    async with static_files(host) as url:
        save(document, old)
        async with (
            authorization_server(f"{url}/jwks.json") as issuer,
            pod(tmp_path / "web-0", issuer, tmp_path / "old.jwk") as hasty,
            pod(tmp_path / "web-1", issuer, tmp_path / "old.jwk") as patient,
        ):
            new = await keygen(tmp_path, "new")  # 1
            publish(document, await jwks(patient.config, "--add", str(new)))  # 2
            hasty.swap(tmp_path / "new.jwk")
            await hasty.told("key_fell_back", kid="old", refused="new", reason="kid_refused")
            await asyncio.sleep(JWKS_URI_MAX_AGE)  # 3
            patient.swap(tmp_path / "new.jwk")  # 4
            await patient.told("key_accepted", kid="new")  # 5
            assert "key_fell_back" not in patient.events
            publish(document, await jwks(patient.config))  # 6
            await asyncio.sleep(JWKS_URI_MAX_AGE)
            await hasty.told("key_accepted", kid="new")
            await asyncio.sleep(5)
            assert (hasty.missed, patient.missed) == (0, 0)
            for one in (hasty, patient):
                assert "refresh_failed" not in one.events
