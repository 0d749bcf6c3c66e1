"""The server on its socket, and the resource to try tokens on."""

import asyncio
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import pytest
from joserfc.jwk import ECKey

from broker.devserver import Client, DevServer, Fault
from devserver_client import Asker, public, until

USERS = "/api/v1/users"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


# The resource


async def test_the_api_opens_with_a_token(app: Asker) -> None:
    token = (await app.ask()).body["access_token"]
    reply = await app.get(USERS, bearer(token))
    assert reply.status == 200
    assert b"ada@example.com" in reply.raw


@pytest.mark.parametrize("header", [{}, bearer("nonsense"), bearer("a.b.c"), {"Authorization": "Basic YTpi"}])
async def test_the_api_stays_closed_without_one(app: Asker, header: dict[str, str]) -> None:
    reply = await app.get(USERS, header)
    assert (reply.status, reply.body["errorCode"]) == (401, "E0000011")
    assert reply.headers["WWW-Authenticate"].startswith('Bearer realm="okta", error="invalid_token"')


async def test_the_api_takes_no_token_of_another_server(app: Asker, key: ECKey) -> None:
    async with DevServer([Client(client_id="app", keys=public(key))]) as another:
        token = (await Asker(app.http, another, key, app.wall).ask()).body["access_token"]
    assert (await app.get(USERS, bearer(token))).status == 401


@pytest.mark.looptime
async def test_the_api_takes_a_token_for_as_long_as_expires_in_said_and_no_second_longer(
    app: Asker, server: DevServer, now: Callable[[], float]
) -> None:
    server.lifetime = 30
    await asyncio.sleep(0.9)
    asked = now()
    token = (await app.ask()).body["access_token"]
    await asyncio.sleep(asked + 29.9 - now())
    assert (await app.get(USERS, bearer(token))).status == 200
    await asyncio.sleep(asked + 31 - now())
    reply = await app.get(USERS, bearer(token))
    assert reply.status == 401
    assert 'error_description="The token has expired."' in reply.headers["WWW-Authenticate"]


# Paths, methods, heads


async def test_an_unknown_path_is_not_found(app: Asker) -> None:
    reply = await app.get("/oauth2/default/v1/token")
    assert (reply.status, reply.body["errorCode"]) == (404, "E0000007")


async def test_another_method_is_refused_and_told_the_right_one(app: Asker) -> None:
    reply = await app.get("/oauth2/v1/token")
    assert (reply.status, reply.headers["Allow"]) == (405, "POST")


@pytest.mark.looptime
async def test_date_is_by_the_clock_that_was_passed_in(app: Asker, now: Callable[[], float]) -> None:
    await asyncio.sleep(86_400)
    date = (await app.get("/oauth2/v1/keys")).headers["Date"]
    assert abs(parsedate_to_datetime(date).timestamp() - now()) <= 1


async def talk(server: DevServer, head: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(head)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_a_malformed_head_is_neither_repeated_nor_logged(
    server: DevServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    answer = await talk(server, b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer s3cret\x00\r\n\r\n")
    assert b" 400 " in answer.splitlines()[0]
    assert b"s3cret" not in answer
    assert (caplog.records, *capfd.readouterr()) == ([], "", "")


async def test_a_body_that_breaks_off_is_no_bug(server: DevServer) -> None:
    head = b"POST /oauth2/v1/token HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n"
    answer = await talk(server, head)
    assert b"Traceback" not in answer
    assert server.journal.crashes == []


async def test_a_body_that_is_not_what_its_encoding_says_is_refused(server: DevServer) -> None:
    head = b"POST /oauth2/v1/token HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\nnonsense"
    assert b" 400 " in (await talk(server, head)).splitlines()[0]
    assert server.journal.crashes == []


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_bug(server: DevServer) -> None:
    _, writer = await asyncio.open_connection(server.host, server.port)
    writer.write(b"POST /oauth2/v1/token HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nscope")
    await until(lambda: server.journal.at_once == 1)
    writer.close()
    await writer.wait_closed()
    await until(lambda: server.journal.at_once == 0)
    assert server.journal.crashes == []


async def test_a_request_without_a_host_is_answered_by_the_server_s_own_name(server: DevServer) -> None:
    answer = await talk(server, b"GET /.well-known/openid-configuration HTTP/1.0\r\n\r\n")
    assert f'"issuer": "{server.issuer}"'.encode() in answer


# Where it listens


@pytest.mark.parametrize("host", ["0.0.0.0", "", "example.com", "10.1.2.3"])  # noqa: S104 - it is refused
def test_it_refuses_to_listen_beyond_loopback(host: str) -> None:
    with pytest.raises(ValueError, match="not a loopback address"):
        DevServer(listen=(host, 0))


def test_it_listens_anywhere_when_told_so() -> None:
    server = DevServer(listen=("0.0.0.0", 8080), anywhere=True)  # noqa: S104 - it is not started
    assert (server.issuer, server.is_loopback) == ("http://localhost:8080", False)


async def test_it_listens_on_ipv6(app: Asker, key: ECKey) -> None:
    async with DevServer([Client(client_id="app", keys=public(key))], listen=("::1", 0)) as server:
        assert server.issuer == f"http://[::1]:{server.port}"
        assert (await Asker(app.http, server, key, app.wall).ask()).status == 200


async def test_an_address_in_use_is_an_os_error(server: DevServer) -> None:
    with pytest.raises(OSError, match="in use"):
        async with DevServer(listen=("127.0.0.1", server.port)):
            pass


async def test_two_servers_live_side_by_side(app: Asker, key: ECKey) -> None:
    async with DevServer([Client(client_id="app", keys=public(key))]) as second:
        second.faults.add(Fault(status=503))
        assert (await app.ask()).status == 200
        assert (await Asker(app.http, second, key, app.wall).ask()).status == 503


@pytest.mark.looptime
async def test_a_virtual_day_of_tokens_spends_every_jti_once(app: Asker, server: DevServer) -> None:
    for _ in range(24 * 60):
        assert (await app.ask()).status == 200
        await asyncio.sleep(60)
    assert (server.journal.total, server.journal.repeated) == (1440, 0)
