"""The process around the broker, as far as one process can test itself; tests/e2e has the rest."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import msgspec
import pytest

from broker.app.compose import Broker, running
from broker.app.daemon import MOST_FILES, loop_factory, raise_file_limit, serve
from broker.core.errors import ConfigError
from broker.core.events import Crashed, Event, Stopping
from broker.core.settings import Admin, Api, Assertion, ClientSettings, KeySettings, Settings, TokenSettings

SETTINGS = Settings(
    api=Api(listen=("127.0.0.1:0",)),
    admin=Admin(listen=("127.0.0.1:0",)),
    clients={
        "c": ClientSettings(
            client_id="c",
            token_endpoint="http://127.0.0.1:9/",
            private_keys=(KeySettings(file="/nowhere/key.jwk"),),
            assertion=Assertion(audience="token_endpoint"),
        )
    },
    tokens={"t": TokenSettings(client="c")},
)


@asynccontextmanager
async def with_a_bug(events: list[Event]) -> AsyncIterator[Broker]:
    async def bug() -> NoReturn:
        raise ZeroDivisionError("secret")

    async with running(SETTINGS, observers=[events.append]) as broker:
        async with asyncio.TaskGroup() as group:
            group.create_task(bug())
        yield broker


async def test_a_defect_at_start_is_exit_code_1_with_its_type_and_place_and_no_text() -> None:
    events: list[Event] = []
    assert await serve(with_a_bug(events), events.append, drain=0) == 1
    crashed = events[-1]
    assert isinstance(crashed, Crashed)
    assert crashed.error == "ZeroDivisionError"
    assert crashed.where.startswith("test_daemon.py:")
    assert "secret" not in repr(crashed)


async def test_a_loop_that_ends_is_exit_code_1() -> None:
    @asynccontextmanager
    async def with_a_loop_cancelled() -> AsyncIterator[Broker]:
        async with running(SETTINGS) as broker:
            broker.loops[0].cancel()
            yield broker

    assert await serve(with_a_loop_cancelled(), lambda _: None, drain=0) == 1


async def test_a_signal_is_exit_code_0_and_a_reload_does_not_end_it() -> None:
    events: list[Event] = []
    task = asyncio.create_task(serve(running(SETTINGS, observers=[events.append]), events.append, drain=0))
    async with asyncio.timeout(10):
        while not any(event.name == "refresh_failed" for event in events):
            await asyncio.sleep(0.01)
    seen = len([event for event in events if event.name == "key_refused"])
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(10):
        while len([event for event in events if event.name == "key_refused"]) == seen:
            await asyncio.sleep(0.01)
    assert "reloading" in [event.name for event in events]
    assert not task.done()
    os.kill(os.getpid(), signal.SIGTERM)
    assert await task == 0
    assert [event.signal for event in events if isinstance(event, Stopping)] == ["SIGTERM"]


async def test_a_configuration_error_is_for_the_command_line_to_render() -> None:
    taken = msgspec.structs.replace(SETTINGS, api=Api(listen=("unix:/nowhere/api.sock",)))
    with pytest.raises(ConfigError, match=r"api\.listen"):
        await serve(running(taken), lambda _: None, drain=0)


def test_uvloop_is_used_where_it_is_installed_and_not_missed_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "uvloop", None)
    assert loop_factory() is None
    monkeypatch.undo()
    pytest.importorskip("uvloop")
    make = loop_factory()
    assert make is not None
    loop = make()
    assert type(loop).__module__.startswith("uvloop")
    loop.close()


def test_open_files_are_raised_as_far_as_the_system_permits() -> None:
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard if 0 <= hard < MOST_FILES else MOST_FILES, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        raise_file_limit()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard), "never lowered"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
