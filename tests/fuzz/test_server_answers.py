"""Generated answers of authorization servers: what comes of each is a token or an error of ours, and nothing else.

`make fuzz` does more of it (FUZZ_EXAMPLES).
"""

import asyncio
import io
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker.app.fan_out import FanOut
from broker.core.errors import BrokerError
from broker.core.events import Event
from broker.core.settings import Dpop, Settings
from broker.core.settings import Log as LogSettings
from broker.http_client.transport import MAX_WAIT, Reply
from broker.oauth.discovery import parse_metadata
from broker.oauth.reply import MAX_LIFETIME, MAX_SCOPE, SCOPE, parse_reply
from broker.observers.log import Log
from broker.observers.metrics import Metrics
from broker.providers.diagnose import diagnose
from broker.refresh.refresher import Refresher
from broker.refresh.store import Store
from fuzz.hostile import ISSUER, MEMBERS, Answer, answers, bodies, streams
from grant.stage import TOKEN, a_stage
from raw_server import raw_server

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "25"))
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
PURE = settings(max_examples=5 * EXAMPLES, suppress_health_check=SLOW, deadline=None)
ON_A_SOCKET = settings(max_examples=EXAMPLES, suppress_health_check=SLOW, deadline=None)


def reply_of(answer: Answer) -> Reply:
    return Reply(
        status=answer.status, headers=answer.fields, body=answer.body, sent_at=1.8e9, received_at=1.8e9, authentic=True
    )


def can_be_shown(error: BrokerError) -> None:
    diagnosis = diagnose(error)
    assert diagnosis.words.isprintable()
    assert 0 <= (diagnosis.wait or 0.0) <= MAX_WAIT


@PURE
@given(answers)
def test_every_answer_is_a_token_that_can_be_served_or_an_error(answer: Answer) -> None:
    try:
        token = parse_reply(reply_of(answer), scope="a", assume_lifetime=60.0, extra_fields=MEMBERS)
    except BrokerError as error:
        can_be_shown(error)
        return
    assert re.fullmatch(r"[!-~]+", token.access_token)
    assert 1.0 <= token.lifetime <= MAX_LIFETIME
    assert len(token.scope) <= MAX_SCOPE
    assert SCOPE.fullmatch(token.scope)
    assert msgspec.json.encode(token.extra)


@PURE
@given(bodies({"issuer": ISSUER, "token_endpoint": f"{ISSUER}/token"}))
def test_all_metadata_name_a_usable_endpoint_or_are_an_error(body: bytes) -> None:
    try:
        endpoint = parse_metadata(reply_of(Answer(200, {}, body)), ISSUER)
    except BrokerError as error:
        can_be_shown(error)
        return
    assert endpoint.startswith("http")


def test_the_good_answer_is_a_token(folder: Path) -> None:
    good = Answer(200, {}, b'{"access_token":"t","token_type":"Bearer","expires_in":60}').wire
    assert outcomes(folder, [good]) == ["success"]


@ON_A_SOCKET
@given(st.lists(streams(), min_size=5, max_size=8), st.booleans())
def test_no_bytes_on_a_socket_are_a_defect(
    folder: Path,
    wires: list[bytes],
    dpop: bool,  # noqa: FBT001 - given by name
) -> None:
    assert "defect" not in outcomes(folder, wires, dpop=Dpop() if dpop else None)


def outcomes(folder: Path, wires: Sequence[bytes], **client: object) -> list[str]:
    """What comes of an attempt that is answered with each of `wires`: success, or the reason of the failure."""
    return asyncio.run(_outcomes(folder, wires, **client))


async def _outcomes(folder: Path, wires: Sequence[bytes], **client: object) -> list[str]:
    escaped: list[str] = []
    events: list[Event] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: escaped.append(repr(context)))
    remaining = iter(wires)
    wire = b""

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(wire)

    found: list[str] = []
    async with raw_server(script) as server, a_stage(folder, f"{server.url}/token", **client) as stage:
        settings = Settings(clients={"c": stage.client}, tokens={"t": TOKEN})
        log = Log(io.BytesIO(), LogSettings(format="json", level="debug"), now=time.time, wall=time.time)
        observe = FanOut([Metrics(settings, now=time.time, wall=time.time), log, events.append])
        stage.grant.observe = observe
        refresher = Refresher(
            "t",
            TOKEN,
            fetch=stage.grant.fetch,
            store=Store(["t"], time.time),
            now=time.time,
            draw=lambda: 0.5,
            observe=observe,
        )
        for wire in remaining:  # noqa: B007 - read by the script
            stage.grant.cool_until = 0.0
            async with asyncio.timeout(5):
                await refresher.refresh()
            found.append(refresher.failure.reason if refresher.failure else "success")
    assert not escaped
    assert not [event for event in events if event.name == "internal_error"]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")
