"""A server that refuses a wrong clock with `invalid_client` and no word more."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from broker.core.diagnosis import Diagnosis
from broker.core.errors import RefusalError
from broker.core.settings import TokenSettings
from broker.providers.diagnose import diagnose
from grant.stage import TOKEN, Stage, a_stage, form_of
from raw_server import RawServer, http, raw_server

GRANTED = b'{"access_token":"t","token_type":"Bearer","expires_in":60}'
JWT_BEARER = TokenSettings(client="c", grant="jwt_bearer")


@asynccontextmanager
async def a_silent_server(
    folder: Path, *, ahead: float, error: str = "invalid_client", date: bool = True, deaf: bool = False, **settings: Any
) -> AsyncIterator[tuple[Stage, RawServer]]:
    """Its clock is `ahead` of ours; `deaf` refuses everything."""

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        form = form_of(server.requests[-1])
        (assertion,) = form.get("client_assertion") or form["assertion"]
        claims = json.loads(base64.urlsafe_b64decode(assertion.split(".")[1] + "=="))
        now = time.time() + ahead
        headers = f"Date: {formatdate(now, usegmt=True)}\r\n" if date else ""
        if claims["iat"] <= now < claims["exp"] and not deaf:
            writer.write(http(GRANTED, headers=headers))
        else:
            writer.write(http(b'{"error":"%s"}' % error.encode(), status="401 No", headers=headers))

    async with raw_server(script) as server, a_stage(folder, f"{server.url}/token", **settings) as stage:
        yield stage, server


async def refusal_of(stage: Stage, token: TokenSettings = TOKEN) -> Diagnosis:
    with pytest.raises(RefusalError) as error:
        await stage.grant.fetch(token)
    return diagnose(error.value)


@pytest.mark.parametrize("ahead", [-290.0, -20.0, 70.0, 290.0])
async def test_a_bare_refusal_is_retried_at_once_by_the_servers_clock(tmp_path: Path, ahead: float) -> None:
    async with a_silent_server(tmp_path, ahead=ahead) as (stage, server):
        await stage.grant.fetch(TOKEN)
        assert len(server.requests) == 2
        await stage.grant.fetch(TOKEN)
        assert len(server.requests) == 3


async def test_an_invalid_grant_of_a_jwt_bearer_assertion_is_bare_too(tmp_path: Path) -> None:
    async with a_silent_server(tmp_path, ahead=100, error="invalid_grant") as (stage, server):
        await stage.grant.fetch(JWT_BEARER)
        assert len(server.requests) == 2


@pytest.mark.parametrize(("ahead", "date"), [(0.0, True), (100.0, False)])
async def test_without_a_known_offset_nothing_is_corrected(tmp_path: Path, ahead: float, *, date: bool) -> None:
    async with a_silent_server(tmp_path, ahead=ahead, date=date, deaf=True) as (stage, server):
        assert "clock is" not in (await refusal_of(stage)).cause
        assert len(server.requests) == 1


@pytest.mark.parametrize(("ahead", "direction"), [(40.0, "behind"), (-40.0, "ahead of")])
async def test_a_second_refusal_names_the_corrected_offset(tmp_path: Path, ahead: float, direction: str) -> None:
    async with a_silent_server(tmp_path, ahead=ahead, deaf=True) as (stage, server):
        diagnosis = await refusal_of(stage)
        assert len(server.requests) == 2
    assert diagnosis.reason == "client_refused"
    clock = f"this machine's clock is 40 s {direction} the server's, which the refused times were corrected for."
    assert diagnosis.cause.endswith(f"; {clock}")
    assert diagnosis.fix.endswith("Synchronise the node's clock (NTP, chrony) as well.")


async def test_an_offset_beyond_correction_leads_the_fix(tmp_path: Path) -> None:
    async with a_silent_server(tmp_path, ahead=1440) as (stage, server):
        diagnosis = await refusal_of(stage)
        assert len(server.requests) == 1
    assert diagnosis.cause.endswith("; this machine's clock is 24 min behind the server's.")
    assert diagnosis.fix.startswith(
        "Synchronise the node's clock (NTP, chrony) first. Compare clients.<name>.client_id"
    )


def test_a_step_for_the_clock_stands_beside_the_others() -> None:
    refusal = RefusalError(401, "invalid_client", "")
    refusal.clock_offset = 1440.0
    first = diagnose(refusal, provider="smart").steps[0]
    refusal.clock_corrected = True
    last = diagnose(refusal, provider="smart").steps[-1]
    assert (first, last) == (
        "Synchronise the node's clock (NTP, chrony) first.",
        "Synchronise the node's clock (NTP, chrony) as well.",
    )
