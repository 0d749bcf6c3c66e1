"""An assertion that somebody else keeps fresh."""

import asyncio
from pathlib import Path

import pytest

from broker.core.errors import RefusalError, SecretFileError
from grant.stage import GOOD, TOKEN, a_stage, form_of
from raw_server import answers, http, raw_server

FIRST, SECOND = "e30.e30.Zmlyc3Q", "e30.e30.c2Vjb25k"
STALE = http(
    b'{"error":"invalid_client","error_description":"AADSTS700024: Client assertion is not within its valid time'
    b' range."}',
    status="401 Unauthorized",
)


async def test_it_is_shown_as_it_is_and_read_for_every_request(tmp_path: Path) -> None:
    file = tmp_path / "token"
    async with (
        raw_server(answers(GOOD)) as server,
        a_stage(tmp_path, f"{server.url}/token", private_keys=(), assertion_file=str(file)) as stage,
    ):
        for assertion in (FIRST, SECOND):
            file.write_text(assertion)
            await stage.grant.fetch(TOKEN)
        assert [form_of(request)["client_assertion"] for request in server.requests] == [[FIRST], [SECOND]]


async def test_a_missing_file_is_named(tmp_path: Path) -> None:
    async with (
        raw_server(answers(GOOD)) as server,
        a_stage(tmp_path, f"{server.url}/token", private_keys=(), assertion_file=str(tmp_path / "gone")) as stage,
    ):
        with pytest.raises(SecretFileError, match="gone"):
            await stage.grant.fetch(TOKEN)
        assert server.requests == []


async def test_a_stale_one_is_not_shown_twice(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(FIRST)
    async with (
        raw_server(answers(STALE)) as server,
        a_stage(tmp_path, f"{server.url}/token", private_keys=(), assertion_file=str(file)) as stage,
    ):
        with pytest.raises(RefusalError):
            await stage.grant.fetch(TOKEN)
        assert len(server.requests) == 1


async def test_one_that_was_replaced_meanwhile_is_shown_at_once(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(FIRST)

    async def stale_once(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GOOD if file.read_text() == SECOND else STALE)
        file.write_text(SECOND)

    async with (
        raw_server(stale_once) as server,
        a_stage(tmp_path, f"{server.url}/token", private_keys=(), assertion_file=str(file)) as stage,
    ):
        await stage.grant.fetch(TOKEN)
        assert [form_of(request)["client_assertion"] for request in server.requests] == [[FIRST], [SECOND]]
