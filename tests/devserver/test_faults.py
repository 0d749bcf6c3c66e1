"""Each way to misbehave, as a client meets it."""

import asyncio
import errno
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest
from joserfc.jwk import ECKey

from broker.devserver import DevServer, Fault, Faults
from devserver_client import Asker, public, until

EXPIRED = "The client_assertion token is expired."
USED = "The client_assertion token has already been used."


async def statuses(app: Asker, count: int) -> list[int]:
    return [(await app.ask()).status for _ in range(count)]


# Which fault, for whom, how often


async def test_a_fault_counts_down(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(status=503, times=2))
    assert await statuses(app, 3) == [503, 503, 200]


async def test_a_fault_without_a_count_stays_until_cleared(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(status=503))
    assert await statuses(app, 3) == [503, 503, 503]
    server.faults.clear()
    assert await statuses(app, 1) == [200]


async def test_faults_come_in_the_order_they_were_added(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(status=500, times=1), Fault(status=502, times=1))
    server.faults.add(Fault(status=504, times=1))
    assert await statuses(app, 4) == [500, 502, 504, 200]


async def test_counted_faults_come_before_those_that_stay(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(status=503), Fault(status=500, times=1))
    assert await statuses(app, 3) == [500, 503, 503]


async def test_setting_faults_forgets_the_others(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(status=503))
    server.faults.set(Fault(status=500, times=1))
    assert await statuses(app, 2) == [500, 200]


async def test_a_fault_may_be_for_one_client_only(app: Asker, server: DevServer, key: ECKey) -> None:
    server.register("second", public(key))
    server.faults.add(Fault(status=503, client_id="second"))
    assert await statuses(app, 1) == [200]
    app.client_id = "second"
    assert await statuses(app, 1) == [503]


def test_what_is_pending_shows_the_count_that_is_left() -> None:
    faults = Faults()
    faults.add(Fault(status=500, times=3), Fault(delay=1))
    faults.take("app")
    assert faults.pending() == [Fault(status=500, times=2), Fault(delay=1)]


# Answers


@pytest.mark.parametrize(
    ("status", "expected"), [(500, b"server_error"), (503, b"server_error"), (429, b"E0000047"), (403, b"")]
)
async def test_a_status_says_what_okta_says_with_it(
    app: Asker, server: DevServer, status: int, expected: bytes
) -> None:
    server.faults.add(Fault(status=status))
    reply = await app.ask()
    assert reply.status == status
    assert expected in reply.raw
    assert bool(expected) == bool(reply.raw)


async def test_a_body_of_ones_own_is_sent_as_json(app: Asker, server: DevServer) -> None:
    body = {"error": "invalid_client", "error_description": "no"}
    server.faults.add(Fault(status=401, body=body, headers={"X-Why": "test"}))
    reply = await app.ask()
    assert (reply.said, reply.headers["X-Why"]) == ((401, "invalid_client", "no"), "test")
    assert reply.headers["Content-Type"] == "application/json"


async def test_a_page_may_come_with_200(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(body="<html>Welcome</html>"))
    reply = await app.ask()
    assert (reply.status, reply.headers["Content-Type"], reply.raw) == (200, "text/html", b"<html>Welcome</html>")


async def test_a_redirect_may_be_ordered(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(status=307, headers={"Location": "http://127.0.0.1:1/"}))
    reply = await app.ask()
    assert (reply.status, reply.headers["Location"]) == (307, "http://127.0.0.1:1/")


async def test_an_answer_may_be_huge_and_still_a_token(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(size=3_000_000))
    reply = await app.ask()
    assert len(reply.raw) == 3_000_000
    assert reply.body["access_token"]


async def test_a_header_of_a_fault_replaces_the_server_s(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(headers={"date": "yesterday", "content-type": "text/plain"}))
    reply = await app.ask()
    assert reply.headers.getall("Date") == ["yesterday"]
    assert reply.headers.getall("Content-Type") == ["text/plain"]


@pytest.mark.parametrize("value", ["3600", 0, -1, None, True, 1e400, [1]])
async def test_expires_in_may_be_anything(app: Asker, server: DevServer, value: Any) -> None:
    server.faults.add(Fault(answer={"expires_in": value}))
    assert (await app.ask()).body["expires_in"] == value


async def test_members_of_the_answer_may_be_left_out_and_added(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(omit=("expires_in", "scope"), answer={"token_type": "bearer", "refresh_in": 900}))
    body = (await app.ask()).body
    assert body.keys() == {"access_token", "token_type", "refresh_in"}
    assert (body["token_type"], body["refresh_in"]) == ("bearer", 900)


async def test_a_reduced_scope_may_be_claimed(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(answer={"scope": "okta.users.read"}))
    reply = await app.post(app.form(app.assertion(), scope="okta.users.read okta.groups.read"))
    assert reply.body["scope"] == "okta.users.read"


async def test_a_refusal_keeps_its_members(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(answer={"expires_in": 1}))
    assert (await app.ask(aud="wrong")).body.keys() == {"error", "error_description"}


# Rate limits


async def test_a_rate_limit_may_say_when_to_retry(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(retry_after=30))
    reply = await app.ask()
    assert (reply.status, reply.body["errorCode"], reply.headers["Retry-After"]) == (429, "E0000047", "30")
    assert reply.body["errorSummary"] == "API call exceeded rate limit due to too many requests."
    assert "error" not in reply.body


async def test_a_rate_limit_may_be_okta_s_with_a_reset_by_the_server_s_own_clock(app: Asker, server: DevServer) -> None:
    server.faults.skew = -600
    server.faults.add(Fault(limit_resets_in=45))
    reply = await app.ask(exp=int(app.wall()) - 540, iat=None)
    date = parsedate_to_datetime(reply.headers["Date"]).timestamp()
    assert (reply.status, reply.headers["X-Rate-Limit-Remaining"]) == (429, "0")
    assert 45 <= int(reply.headers["X-Rate-Limit-Reset"]) - date <= 46
    assert "Retry-After" not in reply.headers


# The work is done all the same


async def test_an_assertion_is_spent_behind_a_failure(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(status=502, body="<html>Bad gateway</html>", times=1))
    form = app.form(app.assertion())
    assert (await app.post(form)).status == 502
    assert (await app.post(form)).sentence == USED


async def test_a_lost_answer_leaves_the_assertion_spent(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(lose_answer=True, times=1))
    form = app.form(app.assertion())
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await app.post(form)
    assert server.journal.requests[-1].outcome == "lost"
    assert (await app.post(form)).sentence == USED


async def test_a_reset_connection_leaves_the_assertion_unspent(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(reset=True, times=1))
    form = app.form(app.assertion())
    with pytest.raises(aiohttp.ClientOSError) as caught:
        await app.post(form)
    assert caught.value.errno == errno.ECONNRESET
    assert (await app.post(form)).status == 200


# Time


@pytest.mark.looptime
async def test_a_delay_is_counted_on_the_loop_s_clock(app: Asker, server: DevServer, now: Callable[[], float]) -> None:
    server.faults.add(Fault(delay=40))
    since = now()
    assert (await app.ask()).status == 200
    assert 40 <= now() - since < 41


@pytest.mark.looptime
async def test_an_assertion_may_expire_in_a_slow_queue(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(delay=61))
    assert (await app.ask()).sentence == EXPIRED


@pytest.mark.looptime
async def test_the_work_is_done_for_a_client_that_gave_up_waiting(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(delay=20, times=1))
    form = app.form(app.assertion())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(10):
            await app.post(form)
    await asyncio.sleep(15)
    assert (await app.post(form)).sentence == USED


@pytest.mark.looptime
async def test_a_hung_request_is_noticed_and_let_go_when_the_client_gives_up(app: Asker, server: DevServer) -> None:
    server.faults.add(Fault(hang=True, times=1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(30):
            await app.ask()
    assert server.journal.requests[-1].outcome == "hung"
    await asyncio.sleep(5)
    assert server.journal.at_once == 0


async def test_closing_does_not_wait_for_those_that_hang(http: aiohttp.ClientSession, key: ECKey) -> None:
    loop = asyncio.get_running_loop()
    async with DevServer(listen=("127.0.0.1", 0)) as server:
        server.register("app", public(key))
        server.faults.add(Fault(hang=True))
        asking = asyncio.create_task(Asker(http, server, key, loop.time).ask())
        await until(lambda: server.journal.outcomes["hung"] == 1)
        since = loop.time()
    assert loop.time() - since < 2
    with pytest.raises(aiohttp.ClientError):
        await asking


async def test_a_skewed_clock_shows_in_date_and_in_judgement_alike(app: Asker, server: DevServer) -> None:
    server.faults.skew = 90
    reply = await app.ask()
    assert reply.sentence == EXPIRED
    assert 88 <= parsedate_to_datetime(reply.headers["Date"]).timestamp() - app.wall() <= 90
    server.faults.skew = -90
    assert (await app.ask()).sentence == "The client_assertion token must be issued before the current time."
    server.faults.clear()
    assert (await app.ask()).status == 200


async def test_a_skewed_clock_shows_on_every_answer(app: Asker, server: DevServer) -> None:
    server.faults.skew = 3600
    date = (await app.get("/.well-known/openid-configuration")).headers["Date"]
    assert parsedate_to_datetime(date).timestamp() > app.wall() + 3500
