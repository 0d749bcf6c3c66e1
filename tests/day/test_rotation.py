"""Keys are rotated while a workload asks all along: the walk-throughs of docs/keys.md, and what people do instead."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from broker.core.events import KeyAccepted, KeyFellBack, KeyLoaded, RefreshFailed
from day.virtual_day import DAY, HOUR, MINUTE, Day, a_day, write_key

pytestmark = pytest.mark.looptime

LONG = [pytest.param(lag, marks=pytest.mark.slow) for lag in (6 * HOUR, DAY)]
Jwk = dict[str, object]


class Host:
    """A JWKS as a static file. What is published is seen `lag` seconds later: so long the provider remembers."""

    def __init__(self, lag: float) -> None:
        self.lag = lag
        self.url = ""
        self._documents: list[tuple[float, list[Jwk]]] = []

    def publish(self, *keys: Jwk) -> None:
        lag = self.lag if self._documents else 0.0
        self._documents.append((asyncio.get_running_loop().time() + lag, list(keys)))

    async def answer(self, _: web.BaseRequest) -> web.Response:
        now = asyncio.get_running_loop().time()
        return web.json_response({"keys": [keys for since, keys in self._documents if since <= now][-1]})


@asynccontextmanager
async def behind_url(day: Day, *, lag: float) -> AsyncIterator[Host]:
    """The day's client has registered the URL of a host, which has the key in use."""
    host = Host(lag)
    application = web.Application()
    application.router.add_get("/jwks.json", host.answer)
    async with TestServer(application) as server:
        host.url = f"http://127.0.0.1:{server.port}/jwks.json"
        host.publish(in_use(day))
        day.server.register("client", host.url, {"read"})
        yield host


def in_use(day: Day) -> Jwk:
    """As `token-broker jwks` prints it."""
    return {**day.broker.clients["c"].keys.public_jwks()["keys"][0]}


def save(day: Day, *keys: Jwk) -> None:
    """Under "Save keys" in the console."""
    day.server.register("client", {"keys": list(keys)}, {"read"})


def assert_nobody_noticed(day: Day) -> None:
    assert day.statuses == {200: len(day.answers)}
    assert day.seen(RefreshFailed) == []
    assert day.server.journal.repeated == 0


def accepted(day: Day) -> list[str | None]:
    return [event.kid for event in day.seen(KeyAccepted)]


@pytest.mark.parametrize("lifetime", [60, 300, pytest.param(3600, marks=pytest.mark.slow)])
async def test_saved_keys_are_rotated_again_and_again_and_nobody_notices(tmp_path: Path, lifetime: float) -> None:
    async with a_day(tmp_path, lifetime=lifetime) as day:
        kids = [f"k{number}" for number in range(1, 5)]
        for kid in kids[1:]:
            old = in_use(day)
            new = write_key(tmp_path / "next.jwk", kid)
            save(day, old, new)
            await day.poll(10 * MINUTE)
            (tmp_path / "next.jwk").rename(day.key_file)
            await day.poll(lifetime)
            assert accepted(day)[-1] == kid
            save(day, new)
            await day.poll(2 * lifetime)
        assert accepted(day) == kids
        assert day.seen(KeyFellBack) == []
        assert_nobody_noticed(day)


@pytest.mark.parametrize("lag", [0, 10 * MINUTE, *LONG])
async def test_a_jwks_behind_a_url_is_rotated_and_nobody_notices(tmp_path: Path, lag: float) -> None:
    async with a_day(tmp_path, lifetime=300) as day, behind_url(day, lag=lag) as host:
        new = write_key(tmp_path / "next.jwk", "k2")
        host.publish(in_use(day), new)
        await day.poll(lag + 10 * MINUTE, every=2 * MINUTE)
        (tmp_path / "next.jwk").rename(day.key_file)
        await day.poll(HOUR)
        assert accepted(day) == ["k1", "k2"]
        host.publish(new)
        await day.poll(lag + HOUR, every=2 * MINUTE)
        assert day.seen(KeyFellBack) == []
        assert_nobody_noticed(day)


@pytest.mark.parametrize("lag", [10 * MINUTE, *LONG])
async def test_a_key_that_is_used_before_the_provider_has_read_it_costs_a_request_an_hour(
    tmp_path: Path, lag: float
) -> None:
    async with a_day(tmp_path, lifetime=300) as day, behind_url(day, lag=lag) as host:
        old = in_use(day)
        host.publish(old, write_key(day.key_file, "k2"))
        await day.poll(lag, every=2 * MINUTE)
        assert accepted(day) == ["k1"]
        assert 1 <= len(day.seen(KeyFellBack)) <= 1 + lag / HOUR
        # The provider's own minute, the hour in which the refused key is left alone, and one refresh.
        await day.poll(HOUR + 5 * MINUTE, every=2 * MINUTE)
        assert accepted(day) == ["k1", "k2"]
        assert_nobody_noticed(day)


@pytest.mark.slow
async def test_a_document_that_has_the_new_key_in_the_place_of_the_old_one_is_survived(tmp_path: Path) -> None:
    """Not as told to: the old key is refused from the moment on at which the new one is known."""
    async with a_day(tmp_path, lifetime=300) as day, behind_url(day, lag=3 * HOUR) as host:
        host.publish(write_key(day.key_file, "k2"))
        await day.poll(5 * HOUR)
        assert accepted(day) == ["k1", "k2"]
        assert_nobody_noticed(day)


@pytest.mark.slow
async def test_a_provider_whose_machines_remember_for_different_times_is_not_noticed(tmp_path: Path) -> None:
    """Every minute another machine answers; the first of two knows the new key an hour after the other."""
    async with a_day(tmp_path, lifetime=120) as day:
        old = in_use(day)
        new = write_key(day.key_file, "k2")
        for minute in range(60):
            save(day, *((old, new) if minute % 2 else (old,)))
            await day.poll(MINUTE, every=10)
        save(day, old, new)
        await day.poll(2 * HOUR)
        assert accepted(day)[-1] == "k2"
        save(day, new)
        await day.poll(HOUR)
        assert_nobody_noticed(day)


@pytest.mark.slow
async def test_a_new_key_that_nobody_registers_is_told_every_hour_and_costs_no_answer(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=300) as day:
        write_key(day.key_file, "k2")
        await day.poll(6 * HOUR, every=2 * MINUTE)
        told = day.seen(KeyFellBack)
        assert 6 <= len(told) <= 7
        assert {(event.kid, event.refused, event.reason) for event in told} == {("k1", "k2", "kid_refused")}
        assert_nobody_noticed(day)


@pytest.mark.slow
async def test_a_rotation_that_is_given_up_leaves_everything_as_it_was(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=300) as day:
        before = day.key_file.read_text()
        write_key(day.key_file, "k2")
        await day.poll(2 * HOUR)
        (tmp_path / "before").write_text(before)
        (tmp_path / "before").rename(day.key_file)
        await day.poll(2 * HOUR)
        assert [event.kid for event in day.seen(KeyLoaded)] == ["k1", "k2", "k1"]
        assert [signer.kid for signer in day.broker.clients["c"].keys.signers()] == ["k1"]
        assert list(day.server.journal.requests)[-1].kid == "k1"
        assert_nobody_noticed(day)


async def test_two_new_keys_in_a_row_do_not_cost_the_one_that_works(tmp_path: Path) -> None:
    async with a_day(tmp_path, lifetime=300) as day:
        old = in_use(day)
        write_key(day.key_file, "typo")
        await day.poll(HOUR)
        new = write_key(day.key_file, "k2")
        await day.poll(HOUR)
        save(day, old, new)
        await day.poll(2 * HOUR)
        save(day, new)
        await day.poll(HOUR)
        assert accepted(day)[-1] == "k2"
        assert_nobody_noticed(day)
