"""The whole, in one process."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import NoReturn

import aiohttp
import pytest
from joserfc.jwk import ECKey

from broker.app.clock import BOOT_TIME, boot_clock
from broker.app.compose import Broker, running, watch_config
from broker.core.errors import ConfigError
from broker.core.events import (
    CallerLoaded,
    CallerRefused,
    ConfigChanged,
    Crashed,
    Event,
    HandedOut,
    Listening,
    Refreshed,
    RefreshFailed,
    Started,
)
from broker.core.settings import (
    Admin,
    Api,
    Assertion,
    CallerSettings,
    ClientSettings,
    KeySettings,
    Log,
    Settings,
    SinkSettings,
    TokenSettings,
)
from broker.devserver import DevServer, Fault
from raw_http import get, wire


def a_client(folder: Path, server: DevServer, name: str, *, registered: bool = True) -> ClientSettings:
    key = ECKey.generate_key("P-256", {"kid": name, "use": "sig", "alg": "ES256"})
    file = folder / f"{name}.jwk"
    file.write_text(json.dumps(key.as_dict(private=True)))
    if registered:
        server.register(name, {"keys": [dict(key.as_dict(private=False))]}, {"read"})
    return ClientSettings(
        client_id=name,
        issuer=server.issuer,
        private_keys=(KeySettings(file=str(file)),),
        assertion=Assertion(audience="token_endpoint"),
    )


@asynccontextmanager
async def a_broker(clients: dict[str, ClientSettings], **listen: str) -> AsyncIterator[tuple[Broker, list[Event]]]:
    """Each client has one token of its own name."""
    settings = Settings(
        api=Api(listen=(listen.get("api", "127.0.0.1:0"),)),
        admin=Admin(listen=("127.0.0.1:0",)),
        clients=clients,
        tokens={name: TokenSettings(client=name, scopes=("read",)) for name in clients},
    )
    events: list[Event] = []
    async with running(settings, observers=[events.append]) as broker:
        yield broker, events


async def test_one_clients_failure_does_not_touch_anothers_token(tmp_path: Path) -> None:
    async with DevServer() as server:
        clients = {
            "good": a_client(tmp_path, server, "good"),
            "unknown": a_client(tmp_path, server, "unknown", registered=False),
            "keyless": a_client(tmp_path, server, "keyless"),
        }
        (tmp_path / "keyless.jwk").write_text("{")
        async with a_broker(clients) as (broker, events):
            assert await broker.store.wait("good", 5)
            while len([event for event in events if isinstance(event, RefreshFailed)]) < 2:
                await asyncio.sleep(0.01)
            failures = {name: broker.failure(name) for name in clients}
            assert failures["good"] is None
            assert failures["unknown"]
            assert failures["unknown"].reason == "client_unknown"
            assert failures["keyless"]
            assert failures["keyless"].reason == "key_file"
            assert broker.alive()


async def test_the_clients_of_one_server_share_its_gate(tmp_path: Path) -> None:
    async with DevServer() as server:
        server.faults.set(Fault(delay=0.05))
        clients = {f"c{i}": a_client(tmp_path, server, f"c{i}") for i in range(20)}
        async with a_broker(clients) as (broker, _):
            for name in clients:
                assert await broker.store.wait(name, 10)
        assert server.journal.most_at_once <= 8


async def test_an_observer_with_a_bug_costs_neither_a_token_nor_the_others_their_turn(tmp_path: Path) -> None:
    def broken(_event: Event) -> NoReturn:
        raise ZeroDivisionError

    events: list[Event] = []
    async with DevServer() as server:
        settings = Settings(
            api=Api(listen=("127.0.0.1:0",)),
            admin=Admin(listen=("127.0.0.1:0",)),
            clients={"c": a_client(tmp_path, server, "c")},
            tokens={"t": TokenSettings(client="c", scopes=("read",))},
        )
        async with running(settings, observers=[broken, events.append]) as broker:
            assert await broker.store.wait("t", 5)
    assert [event for event in events if isinstance(event, Refreshed)]
    crashes = {event for event in events if isinstance(event, Crashed)}
    assert {(event.where, event.error) for event in crashes} == {("observer function", "ZeroDivisionError")}


async def livez(broker: Broker) -> int:
    async with aiohttp.ClientSession() as http, http.get(f"http://{broker.admin.addresses[0]}/livez") as reply:
        return reply.status


async def test_a_loop_with_a_defect_costs_neither_the_process_nor_a_token(tmp_path: Path) -> None:
    async def bug() -> NoReturn:
        raise ZeroDivisionError

    async with DevServer() as server, a_broker({"c": a_client(tmp_path, server, "c")}) as (broker, events):
        broker.loop(bug, "a bug")
        assert await broker.store.wait("c", 5)
        assert [event.error for event in events if isinstance(event, Crashed)] == ["ZeroDivisionError"]
        assert broker.metrics.registry.get_sample_value("token_broker_defects_total") == 1
        assert await livez(broker) == 200


async def test_a_defect_in_one_attempt_costs_no_other_token(tmp_path: Path) -> None:
    async def bug(_token: TokenSettings) -> NoReturn:
        raise ZeroDivisionError

    async with DevServer() as server:
        clients = {name: a_client(tmp_path, server, name) for name in ("good", "bad")}
        async with a_broker(clients) as (broker, _):
            broker.refreshers["bad"].fetch = bug
            assert await broker.store.wait("good", 5)
            async with asyncio.timeout(5):
                while broker.failure("bad") is None:
                    await asyncio.sleep(0.01)
            assert getattr(broker.failure("bad"), "reason", "") == "defect"
            value = broker.metrics.registry.get_sample_value
            assert value("token_broker_refresh_errors_total", {"token": "bad", "reason": "defect"}) == 1
            assert value("token_broker_defects_total") == 1
            assert await livez(broker) == 200


async def test_a_defect_in_reading_keys_costs_neither_other_clients_nor_a_reload(tmp_path: Path) -> None:
    async with DevServer() as server:
        clients = {name: a_client(tmp_path, server, name) for name in ("good", "bad")}
        async with a_broker(clients) as (broker, events):
            keys = broker.clients["bad"].keys
            keys._loader, loader = None, keys._loader  # type: ignore[assignment]  # the defect
            assert await broker.store.wait("good", 5)
            await broker.reload()
            async with asyncio.timeout(5):
                while broker.failure("bad") is None:
                    await asyncio.sleep(0.01)
            assert [event for event in events if isinstance(event, Crashed)]
            keys._loader = loader
            assert await broker.store.wait("bad", 5)
            assert broker.alive()


async def test_a_loop_that_ends_all_the_same_is_not_alive(tmp_path: Path) -> None:
    async with DevServer() as server, a_broker({"c": a_client(tmp_path, server, "c")}) as (broker, _):
        broker.loops[0].cancel()
        await asyncio.wait_for(broker.crashed(), 5)
        assert await livez(broker) == 503


async def test_a_reload_reads_keys_again_and_retries_at_once(tmp_path: Path) -> None:
    async with DevServer() as server:
        client = a_client(tmp_path, server, "c")
        server.faults.set(Fault(status=503))
        async with a_broker({"c": client}) as (broker, events):
            while broker.failure("c") is None:
                await asyncio.sleep(0.01)
            server.faults.clear()
            await broker.reload()
            assert await broker.store.wait("c", 0.5)
            assert isinstance(events[0], Started)


def guarded(folder: Path, client: ClientSettings, *, create: bool = False, sink: str | None = None) -> Settings:
    """One token for one caller, whose secret is to be in `folder/secret`."""
    sinks = (SinkSettings(path=sink, ignores_callers=True),) if sink else ()
    return Settings(
        api=Api(
            listen=("127.0.0.1:0",),
            callers={"reports": CallerSettings(secret_file=str(folder / "secret"), create=create)},
        ),
        admin=Admin(listen=("127.0.0.1:0",)),
        clients={"c": client},
        tokens={"t": TokenSettings(client="c", scopes=("read",), callers=("reports",), sinks=sinks)},
    )


async def status_of(broker: Broker, secret: str) -> int:
    url = f"http://{broker.api.addresses[0]}/v1/token"
    headers = {"Metadata": "true", "Authorization": f"Bearer {secret}"}
    async with aiohttp.ClientSession() as http, http.get(url, headers=headers) as reply:
        return reply.status


async def test_callers_are_known_before_anybody_is_listened_to(tmp_path: Path) -> None:
    events: list[Event] = []
    async with DevServer() as server:
        settings = guarded(tmp_path, a_client(tmp_path, server, "c"))
        with pytest.raises(ConfigError, match=r"api\.callers\.reports\.secret_file: .*/secret cannot be read"):
            async with running(settings, observers=[events.append]):
                pass
    assert not [event for event in events if isinstance(event, Listening)]


async def test_a_caller_is_handed_a_token_and_its_secret_is_read_again_by_itself_and_on_reload(tmp_path: Path) -> None:
    one, two, three = (f"{number}-0123456789abcdef" for number in "123")
    (tmp_path / "secret").write_text(one)
    async with DevServer() as server, running(guarded(tmp_path, a_client(tmp_path, server, "c"))) as broker:
        assert await broker.store.wait("t", 5)
        assert [await status_of(broker, secret) for secret in (one, two)] == [200, 401]
        (tmp_path / "secret").write_text(two)
        async with asyncio.timeout(10):
            while await status_of(broker, two) == 401:
                await asyncio.sleep(0.1)
        (tmp_path / "secret").write_text(three)
        await broker.reload()
        assert [await status_of(broker, secret) for secret in (one, two, three)] == [401, 401, 200]
        assert broker.alive()


async def test_a_defect_in_reading_callers_keeps_their_secrets(tmp_path: Path) -> None:
    events: list[Event] = []
    async with DevServer() as server:
        settings = guarded(tmp_path, a_client(tmp_path, server, "c"), create=True)
        async with running(settings, observers=[events.append]) as broker:
            assert await broker.store.wait("t", 5)
            broker.callers._files["reports"] = None  # type: ignore[assignment]  # the defect
            async with asyncio.timeout(10):
                while not [event for event in events if isinstance(event, CallerRefused)]:
                    await asyncio.sleep(0.05)
            assert await status_of(broker, (tmp_path / "secret").read_text().strip()) == 200
            assert broker.alive()
    assert [event.error for event in events if isinstance(event, Crashed)][:1] == ["TypeError"]
    assert [event for event in events if isinstance(event, CallerLoaded) and event.created]


async def test_a_token_is_written_into_its_file_and_what_an_old_broker_left_there_is_not(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("1-0123456789abcdef")
    (tmp_path / "token").write_text("old")
    async with DevServer() as server:
        client = a_client(tmp_path, server, "c")
        server.faults.set(Fault(status=503))
        settings = guarded(tmp_path, client, sink=str(tmp_path / "token"))
        async with running(settings) as broker:
            async with asyncio.timeout(5):
                while (tmp_path / "token").exists():
                    await asyncio.sleep(0.01)
            server.faults.clear()
            await broker.reload()
            token = await broker.store.wait("t", 5)
            assert token
            async with asyncio.timeout(5):
                while not (tmp_path / "token").exists():
                    await asyncio.sleep(0.01)
            assert (tmp_path / "token").read_text() == token.access_token


@pytest.mark.parametrize(
    ("fast_path", "audit", "repeats"), [(True, False, True), (False, False, False), (True, True, False)]
)
async def test_repeated_requests_are_answered_from_memory_unless_switched_off_or_audited(
    *, fast_path: bool, audit: bool, repeats: bool, tmp_path: Path
) -> None:
    told: list[Event] = []
    async with DevServer() as server:
        settings = Settings(
            api=Api(listen=("127.0.0.1:0",), fast_path=fast_path),
            admin=Admin(listen=("127.0.0.1:0",)),
            log=Log(audit=audit),
            clients={"c": a_client(tmp_path, server, "c")},
            tokens={"t": TokenSettings(client="c", scopes=("read",))},
        )
        async with running(settings, observers=[told.append]) as broker:
            assert await broker.store.wait("t", 5)
            async with wire(broker.api.addresses[0]) as one:
                for _ in range(20):
                    assert (await one.ask(get("/v1/token", "Metadata: true"))).status == 200
            await asyncio.sleep(1.2)
            handed_out = [event for event in told if isinstance(event, HandedOut)]
            assert sum(event.times for event in handed_out) == 20
            assert (len(handed_out) < 20) == repeats


async def test_an_address_that_cannot_be_had_is_a_configuration_error_and_leaves_nothing_open(tmp_path: Path) -> None:
    async with DevServer() as server:
        client = a_client(tmp_path, server, "c")
        with pytest.raises(ConfigError, match=r"api\.listen"):
            async with a_broker({"c": client}, api=f"127.0.0.1:{server.port}"):
                pass


@pytest.mark.looptime
async def test_a_configuration_file_that_changes_and_changes_back_is_told_both_times() -> None:
    changed = False
    events: list[Event] = []
    task = asyncio.create_task(watch_config("c.yaml", lambda: changed, events.append))
    for changed in (False, True, True, False):  # noqa: B007 - read by the lambda above
        await asyncio.sleep(11)
    task.cancel()
    assert events == [ConfigChanged(file="c.yaml", stale=True), ConfigChanged(file="c.yaml", stale=False)]


def test_the_boot_clock_tells_the_time_of_day() -> None:
    assert boot_clock()() == pytest.approx(time.time(), abs=1)


def test_a_step_of_the_wall_clock_does_not_reach_the_boot_clock_and_time_since_boot_does() -> None:
    wall, boot = 1_795_000_000.0, 50.0
    now = boot_clock(wall=lambda: wall, boot=lambda: boot)
    wall += 86_400
    assert now() == 1_795_000_000.0
    boot += 7
    assert now() == 1_795_000_007.0


@pytest.mark.skipif(sys.platform != "linux", reason="platform: only Linux has CLOCK_BOOTTIME")
def test_suspension_counts() -> None:
    assert isinstance(BOOT_TIME, partial)
    assert (BOOT_TIME.func, BOOT_TIME.args) == (time.clock_gettime, (time.CLOCK_BOOTTIME,))
