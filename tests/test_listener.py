"""What strangers send is answered, bounded, counted, and repeated nowhere."""

import asyncio
import contextlib
import inspect
import logging
import resource
import socket
import struct
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broker.core.errors import ConfigError
from broker.core.events import Crashed, Event, Refused
from broker.core.settings import Limits
from broker.http_server import Listener, over_unix
from broker.http_server.connection import Connection, ConnectionFactory
from broker.http_server.pool import Pool
from broker.http_server.request_rules import REFUSALS
from broker.http_server.sockets import OTHER_FILES
from raw_http import Wire, ask, get, wire

SECRET = b"s3cret-of-a-stranger"


async def handle(request: web.BaseRequest) -> web.StreamResponse:
    match request.path:
        case "/bug":
            msg = f"a bug that quotes {request.headers['Secret']}"
            raise ValueError(msg)
        case "/timeout":
            raise TimeoutError
        case "/half-an-answer":
            half = web.StreamResponse()
            await half.prepare(request)
            await half.write(b"half")
            raise ValueError
        case "/nothing":
            return None  # type: ignore[return-value]  # the bug that a listener has to survive
        case "/slow":
            await asyncio.sleep(0.3)
        case "/forever":
            await asyncio.sleep(3600)
        case "/body":
            return web.Response(body=await request.read())
    status = 403 if request.method == "CONNECT" else 200
    return web.Response(
        status=status, text=f"{request.method} {request.path} {'unix' if over_unix(request) else 'tcp'}"
    )


class Told(list[Event]):
    """The observer: what it was told, and the reasons of refusals in it."""

    @property
    def refused(self) -> list[str]:
        return [event.reason for event in self if isinstance(event, Refused)]


@asynccontextmanager
async def listening(*addresses: str, told: Told | None = None, max_connections: int = 64) -> AsyncIterator[Listener]:
    observe = told.append if told is not None else Told().append
    async with Listener(
        "api.listen", addresses or ("127.0.0.1:0",), handle, max_connections=max_connections, observe=observe
    ) as listener:
        yield listener


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
async def address(told: Told) -> AsyncIterator[str]:
    async with listening(told=told) as listener:
        yield listener.addresses[0]


def test_the_undocumented_names_of_aiohttp_that_we_lean_on_are_there() -> None:
    assert {"_close", "_next_keepalive_close_time", "_request_count", "_waiter"} <= set(web.RequestHandler.__slots__)
    assert {"_loop", "transport"} <= {
        name for kind in web.RequestHandler.__mro__ for name in getattr(kind, "__slots__", ())
    }
    for overridden, parameters in {
        "connection_made": ["self", "transport"],
        "connection_lost": ["self", "exc"],
        "data_received": ["self", "data"],
        "eof_received": ["self"],
        "finish_response": ["self", "request", "resp", "start_time"],
        "handle_error": ["self", "request", "status", "exc", "message"],
        "log_exception": ["self", "args", "kw"],
    }.items():
        assert list(inspect.signature(getattr(web.RequestHandler, overridden)).parameters) == parameters
    assert {"close", "force_close", "keepalive_timeout", "sockname", "writing_paused"} <= set(dir(web.RequestHandler))
    assert {"raw_headers", "writer"} <= set(dir(web.BaseRequest))
    assert "output_size" in dir(AbstractStreamWriter)
    assert {"pre_shutdown", "shutdown", "__call__", "_make_request"} <= set(dir(web.Server))


async def test_the_undocumented_names_of_a_server_that_we_lean_on_are_there() -> None:
    factory = ConnectionFactory(handle, limits=Limits(), observe=Told().append)
    assert factory._connections == {}
    assert factory._loop is asyncio.get_running_loop()
    assert factory.handler_cancellation
    connection = factory.protocol_factory(Pool(1, ceiling=1))()
    assert isinstance(connection, Connection)
    assert connection._waiter is None
    assert connection._request_count == 0
    assert connection._current_request is None
    assert connection.access_log is None


async def test_an_answer_names_the_product_and_is_not_to_be_stored(address: str) -> None:
    answer = await ask(address, get("/hello"))
    assert (answer.status, answer.body) == (200, b"GET /hello tcp")
    assert answer.headers["server"] == "token-broker"
    assert answer.headers["cache-control"] == "no-store"


async def test_a_connection_serves_many_requests(address: str) -> None:
    async with wire(address) as one:
        for number in range(3):
            assert (await one.ask(get(f"/{number}"))).body == f"GET /{number} tcp".encode()


async def test_pipelined_requests_are_answered_in_order(address: str) -> None:
    async with wire(address) as one:
        await one.send(b"".join(get(f"/{number}") for number in range(40)))
        assert [(await one.answer()).body for _ in range(40)] == [f"GET /{number} tcp".encode() for number in range(40)]


async def test_http_1_0_is_served_and_closed(address: str) -> None:
    async with wire(address) as one:
        answer = await one.ask(b"GET /old HTTP/1.0\r\n\r\n")
        assert answer.body == b"GET /old tcp"
        assert await one.rest() == b""


async def test_an_offer_of_http_2_is_served_as_http_1_and_the_connection_goes_on(address: str) -> None:
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA")
    async with wire(address) as one:
        answer = await one.ask(get("/jdk", *upgrade))
        assert answer.head.startswith(b"HTTP/1.1 200 OK\r\n")
        assert (await one.ask(get("/body", *upgrade, method="POST", body=b"posted"))).body == b"posted"
        assert (await one.ask(get("/after"))).body == b"GET /after tcp"


async def test_a_client_that_has_closed_its_sending_half_is_answered(address: str) -> None:
    async with wire(address) as one:
        await one.send(get("/1") + get("/slow") + get("/3"))
        one.writer.write_eof()
        assert [(await one.answer()).body for _ in range(3)] == [b"GET /1 tcp", b"GET /slow tcp", b"GET /3 tcp"]
        assert await one.rest() == b""


async def test_a_body_cut_short_by_the_end_is_malformed(address: str, told: Told) -> None:
    async with wire(address) as one:
        await one.send(get("/body", "Content-Length: 100", method="POST") + SECRET)
        await asyncio.sleep(0.05)
        one.writer.write_eof()
        assert (await one.answer()).status == 400
        assert await one.rest() == b""
    assert told == [Refused(reason="malformed")]


async def test_half_a_head_and_then_the_end_is_closed(address: str, told: Told) -> None:
    async with wire(address) as one:
        await one.send(b"GET / HTTP/1.1\r\nHost: loc")
        one.writer.write_eof()
        assert await one.rest() == b""
    assert told == []


async def test_a_unix_socket_serves_and_is_recognised(tmp_path: Path) -> None:
    async with listening(f"unix:{tmp_path}/api.sock", "localhost:0") as listener:
        assert (await ask(listener.addresses[0], get("/"))).body == b"GET / unix"
        for address in listener.addresses[1:]:
            assert (await ask(address, get("/"))).body == b"GET / tcp"
    assert not list(tmp_path.iterdir())


POST = b"POST /body HTTP/1.1\r\nHost: localhost\r\n"
MALFORMED = {
    "a secret before a NUL": b"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + SECRET + b"\x00\r\n\r\n",
    "a NUL in the path": b"GET /" + SECRET + b"\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/0.9": b"GET /" + SECRET + b"\r\n\r\n",
    "a header name with a space": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + SECRET + b" : x\r\n\r\n",
    "a folded header": b"GET / HTTP/1.1\r\nHost: localhost\r\nA: b\r\n " + SECRET + b"\r\n\r\n",
    "two Host headers": b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: " + SECRET + b"\r\n\r\n",
    "no Host header": b"GET / HTTP/1.1\r\nA: " + SECRET + b"\r\n\r\n",
    "a line too long": b"GET /" + SECRET * 300 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a header too long": b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + SECRET * 500 + b"\r\n\r\n",
    "too many headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + (b"A: " + SECRET + b"\r\n") * 100 + b"\r\n",
    "a head of 1 MB": b"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: " + SECRET * 50_000 + b"\r\n\r\n",
    "1 MB of headers": b"GET / HTTP/1.1\r\nHost: localhost\r\n" + (b"A: " + SECRET * 50 + b"\r\n") * 1000 + b"\r\n",
    "an unknown method": SECRET + b" / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "bare newlines": b"GET / HTTP/1.1\nHost: localhost\nA: " + SECRET + b"\n\n",
    "a broken URL": b"GET http://[" + SECRET + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a URL that aiohttp's parser stumbles over": b"GET http://[::1]@ HTTP/1.1\r\nHost: " + SECRET + b"\r\n\r\n",
    "an impossible port": b"GET http://" + SECRET + b":99999/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\n" + SECRET,
    "a length and chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n" + SECRET,
    "bad chunks": POST + b"Transfer-Encoding: chunked\r\n\r\n" + SECRET + b"\r\n",
    "HTTP/2.0": b"GET /" + SECRET + b" HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + SECRET,
    "HTTP/2 with prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SECRET,
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
async def test_malformed_requests_get_our_own_answer_and_are_counted(
    sent: bytes, address: str, told: Told, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with wire(address) as one:
        with contextlib.suppress(ConnectionError):  # the server may stop reading before we stop sending
            await one.send(sent)
        answer = await one.answer()
        assert await one.rest() == b""
    assert answer.status == 400
    assert answer.json["error"] == "invalid_request"
    assert "not well-formed HTTP/1.1" in answer.json["error_description"]
    assert answer.headers["server"] == "token-broker"
    assert told == [Refused(reason="malformed")]
    assert SECRET not in answer.head + answer.body
    assert not [record for record in caplog.records if record.name != "asyncio" or record.levelno > logging.DEBUG]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("target", ["http://xn--", "https://evil/", "//evil/", "foo://evil", "*"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS"])
async def test_whatever_stands_for_the_path_reaches_the_handler_as_it_was_sent(
    method: str, target: str, told: Told
) -> None:
    seen: list[str] = []

    async def note(request: web.BaseRequest) -> web.Response:
        seen.append(request.raw_path)
        return web.Response()

    async with Listener("api.listen", ["127.0.0.1:0"], note, observe=told.append) as listener:
        answer = await ask(listener.addresses[0], get(target, method=method))
    assert (seen, answer.status) in (([target], 200), ([], 400))
    assert not [event for event in told if isinstance(event, Crashed)]


@pytest.mark.parametrize("target", ["xn--:1", "evil:443"])
async def test_a_tunnel_does_not_open(target: str, address: str, told: Told) -> None:
    async with wire(address) as one:
        assert (await one.ask(get(target, method="CONNECT"))).status == 403
        assert (await one.ask(get("/"))).body == b"GET / tcp"
    assert told == []


async def test_a_tunnel_to_nowhere_is_malformed_or_refused(address: str, told: Told) -> None:
    assert (await ask(address, b"CONNECT \r\n\r\n")).status == 400
    assert told == [Refused(reason="malformed")]


async def test_chunks_that_turn_bad_later_are_counted_once_and_not_logged(
    address: str, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    async with wire(address) as one:
        await one.send(get("/body", "Transfer-Encoding: chunked", method="POST") + b"4\r\ngood\r\n")
        await asyncio.sleep(0.05)
        answer = await one.ask(SECRET + b"\r\n")
        assert (answer.status, answer.json["error"]) == (400, "invalid_request")
        assert await one.rest() == b""
    assert told == [Refused(reason="malformed")]
    assert not caplog.records


async def test_chunks_that_turn_bad_and_that_nobody_reads_end_the_connection(
    address: str, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    async with wire(address) as one:
        assert (await one.ask(get("/", "Transfer-Encoding: chunked", method="POST"))).status == 200
        await one.send(SECRET + b"\r\n")
        assert await one.rest() == b""
    assert told == []
    assert not caplog.records


async def test_a_request_after_a_malformed_one_is_not_served(address: str) -> None:
    async with wire(address) as one:
        await one.send(b"\x00" + get("/smuggled"))
        assert (await one.answer()).status == 400
        await one.send(get("/smuggled"))
        assert b"smuggled" not in await one.rest()


@pytest.mark.looptime
async def test_a_refused_client_that_never_hangs_up_is_cut_off() -> None:
    loop = asyncio.get_running_loop()
    async with listening() as listener, wire(listener.addresses[0]) as one:
        assert (await one.ask(b"\x00")).status == 400
        began = loop.time()
        for _ in range(50):
            await asyncio.sleep(0.1)
            try:
                await one.send(b"x")
            except ConnectionError:
                break
        assert 1.5 < loop.time() - began < 4


async def test_a_bug_is_told_by_type_and_place_and_never_by_its_text(
    address: str, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    async with wire(address) as one:
        answer = await one.ask(get("/bug", f"Secret: {SECRET.decode()}"))
        assert answer.status == 500
        assert answer.json["error"] == "server_error"
        assert SECRET not in answer.body
        assert await one.rest() == b""
    (crashed,) = told
    assert isinstance(crashed, Crashed)
    assert crashed.error == "ValueError"
    assert crashed.where.startswith("test_listener.py:")
    assert crashed.where.endswith(" handle")
    assert not caplog.records


async def test_a_timeout_that_escapes_a_handler_is_a_bug_like_any_other(address: str, told: Told) -> None:
    assert (await ask(address, get("/timeout"))).status == 500
    assert told == [Crashed(where="unknown", error="TimeoutError")]


async def test_half_an_answer_is_not_completed_by_an_error(address: str, told: Told) -> None:
    async with wire(address) as one:
        await one.send(get("/half-an-answer"))
        assert (await one.rest()).endswith(b"half\r\n")
    assert [type(event) for event in told] == [Crashed]


async def test_a_handler_without_an_answer_is_told_and_hung_up_on(
    address: str, told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    async with wire(address) as one:
        await one.send(get("/nothing"))
        assert await one.rest() == b""
    assert [event.error for event in told if isinstance(event, Crashed)] == ["AttributeError"]
    assert not caplog.records


async def test_a_full_listener_evicts_the_longest_idle_connection(told: Told) -> None:
    async with listening(told=told, max_connections=2) as listener:
        address = listener.addresses[0]
        async with wire(address) as first, wire(address) as second, wire(address) as third:
            for one in (second, first, third):
                assert (await one.ask(get("/"))).status == 200, "one more is served at once"
                await asyncio.sleep(0.002)  # the clock of uvloop counts milliseconds
            assert await second.rest() == b""
            assert told.refused == ["evicted"]
            for one in (first, third):
                assert (await one.ask(get("/"))).status == 200


@pytest.fixture
def few_files() -> Iterator[None]:
    """The process may open so few files that an address has room for ten connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OTHER_FILES + 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_files")
async def test_connections_beyond_the_file_limit_are_closed_unread_and_counted(told: Told) -> None:
    async with listening(told=told, max_connections=512) as listener, AsyncExitStack() as stack:
        several = [await stack.enter_async_context(wire(listener.addresses[0])) for _ in range(10)]
        async with wire(listener.addresses[0]) as one_more:
            assert await one_more.rest() == b""
        assert told.refused == ["connection_limit"]
        assert (await several[-1].ask(get("/"))).status == 200


@pytest.mark.looptime
async def test_a_client_that_sends_nothing_is_closed() -> None:
    async with listening() as listener, wire(listener.addresses[0]) as one:
        began = asyncio.get_running_loop().time()
        assert await one.reader.read() == b""
        assert asyncio.get_running_loop().time() - began == pytest.approx(5, abs=1)


@pytest.mark.looptime
async def test_an_idle_connection_is_closed_some_time_after_its_last_request() -> None:
    async with listening() as listener, wire(listener.addresses[0]) as one:
        loop = asyncio.get_running_loop()
        for pause in (4, 60, 60):
            await asyncio.sleep(pause)
            assert (await one.ask(get("/"))).status == 200
        began = loop.time()
        assert await one.reader.read() == b""
        assert loop.time() - began == pytest.approx(75, abs=2)


@pytest.mark.looptime
@pytest.mark.parametrize("before", [b"", get("/first")], ids=["its first", "a later"])
async def test_a_client_that_dribbles_a_head_is_closed(before: bytes, told: Told) -> None:
    async with listening(told=told) as listener, wire(listener.addresses[0]) as one:
        if before:
            await one.ask(before)
        began = asyncio.get_running_loop().time()
        with contextlib.suppress(ConnectionError):
            for byte in get("/", "A: " + "x" * 200):
                await one.send(bytes([byte]))
                await asyncio.sleep(1)
        assert asyncio.get_running_loop().time() - began == pytest.approx(11, abs=2)
    assert told == [Refused(reason="slow_head")]


@pytest.mark.looptime
async def test_a_head_in_pieces_is_served_when_it_comes_in_time(told: Told) -> None:
    async with listening(told=told) as listener, wire(listener.addresses[0]) as one:
        for number in range(3):
            sent = get(f"/{number}")
            for piece in (sent[:5], sent[5:20], sent[20:]):
                await asyncio.sleep(3)
                await one.send(piece)
            assert (await one.answer()).body == f"GET /{number} tcp".encode()
            await asyncio.sleep(20)
    assert told == []


@pytest.mark.looptime
async def test_a_body_that_nobody_reads_and_that_does_not_end_is_cut_off() -> None:
    async with listening() as listener, wire(listener.addresses[0]) as one:
        assert (await one.ask(get("/", "Content-Length: 1000", method="POST"))).status == 200
        began = asyncio.get_running_loop().time()
        assert await one.reader.read() == b""
        assert asyncio.get_running_loop().time() - began == pytest.approx(2, abs=1)


async def test_a_compressed_body_is_left_as_it_is(address: str) -> None:
    answer = await ask(address, get("/body", "Content-Encoding: gzip", method="POST", body=b"not gzip"))
    assert answer.body == b"not gzip"


async def test_a_client_that_goes_away_ends_its_handler(address: str, caplog: pytest.LogCaptureFixture) -> None:
    before = len(asyncio.all_tasks())
    reader, writer = await asyncio.open_connection("127.0.0.1", int(address.rpartition(":")[2]))
    one = Wire(reader, writer)
    await one.send(get("/forever"))
    await asyncio.sleep(0.05)
    assert len(asyncio.all_tasks()) == before + 2
    # A reset, as when the client's process dies with an answer unread.
    raw = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    await asyncio.sleep(0.05)
    assert len(asyncio.all_tasks()) == before
    assert not caplog.records


async def test_closing_lets_answers_under_way_finish_and_closes_idle_connections_at_once(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()
    async with (
        listening("127.0.0.1:0", f"unix:{tmp_path}/api.sock") as listener,
        wire(listener.addresses[0]) as idle,
        wire(listener.addresses[1]) as busy,
    ):
        await idle.ask(get("/"))
        await busy.send(get("/slow"))
        await asyncio.sleep(0.05)
        began = loop.time()
        await listener.close(grace=2)
        assert loop.time() - began < 1
        assert (await busy.answer()).body == b"GET /slow unix"
        assert await idle.rest() == b""


async def test_closing_takes_a_bounded_time_whatever_is_under_way(address: str) -> None:
    loop = asyncio.get_running_loop()
    async with listening() as listener, wire(listener.addresses[0]) as one:
        await one.send(get("/forever"))
        await asyncio.sleep(0.05)
        began = loop.time()
        await listener.close(grace=0.4)
        assert loop.time() - began < 0.8
        assert await one.rest() == b""
    assert (await ask(address, get("/"))).status == 200, "another listener goes on"


async def test_who_is_in_is_served_after_the_door_is_shut(tmp_path: Path) -> None:
    path = tmp_path / "api.sock"
    async with listening("127.0.0.1:0", f"unix:{path}") as listener, wire(listener.addresses[0]) as one:
        await one.ask(get("/"))
        listener.stop_accepting()
        assert not path.exists()
        with pytest.raises(ConnectionError):
            await ask(listener.addresses[0], get("/"))
        assert (await one.ask(get("/still"))).body == b"GET /still tcp"


async def test_an_address_that_cannot_be_had_is_a_configuration_error(address: str) -> None:
    with pytest.raises(ConfigError, match=f"api.listen: {address} is in use"):
        async with listening(address):
            pass


async def test_a_listener_for_loopback_refuses_the_network_unless_told_otherwise() -> None:
    with pytest.raises(ConfigError, match="can be reached from the network"):
        async with listening(":0"):
            pass
    async with Listener("admin.listen", [":0"], handle, loopback_only=False, observe=Told().append) as admin:
        assert len(admin.addresses) == 2


async def test_a_listener_that_never_started_can_be_closed() -> None:
    await Listener("api.listen", ["127.0.0.1:0"], handle, observe=Told().append).close()


TOKENS = [
    *(b"GET ", b"HEAD ", b"POST ", b"OPTIONS ", b"CONNECT x:1", b"/", b"/body", b"http://x/", b"* ", b" HTTP/1.1"),
    *(b"\r\n", b"\r\n\r\n", b"\x00", b": ", b"Host: localhost\r\n", b"Content-Length: 7\r\n", b"0\r\n\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"Expect: 100-continue\r\n"),
    *(b"GET http://[::1]@", b"GET http://xn--", b"CONNECT ", b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    *(b"Connection: Upgrade\r\n", b"Upgrade: h2c\r\n", b"Upgrade: websocket\r\n", b"Sec-WebSocket-Key1: x\r\n"),
]
NOISE = st.lists(st.sampled_from(TOKENS) | st.binary(max_size=20), max_size=25)


@settings(max_examples=60)
@given(st.lists(NOISE, min_size=30, max_size=30))
@example([[b"OPTIONS ", b"*", b" HTTP/1.1", b"\r\n", b"Host: localhost\r\n", b"\r\n"]])
def test_random_bytes_never_cause_a_server_error_a_hang_or_an_echo(noises: list[list[bytes]]) -> None:
    told = Told()
    escaped: list[dict[str, Any]] = []

    async def send_all() -> list[bytes]:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: escaped.append(context))
        async with listening(told=told) as listener:
            return await asyncio.gather(*(send(listener.addresses[0], b"".join(noise)) for noise in noises))

    async def send(address: str, noise: bytes) -> bytes:
        async with wire(address) as one:
            with contextlib.suppress(ConnectionError):
                await one.send(noise + SECRET)
                one.writer.write_eof()
            return await one.rest()

    for answers in asyncio.run(send_all()):
        assert b"HTTP/1.1 5" not in answers
        assert SECRET not in answers.partition(b"\r\n\r\nGET")[0]
    assert not escaped
    assert not [event for event in told if isinstance(event, Crashed)]
    assert set(told.refused) <= set(REFUSALS)


def test_uvloop_is_served_alike(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def all_at_once() -> None:
        await test_a_unix_socket_serves_and_is_recognised(tmp_path)
        await test_a_full_listener_evicts_the_longest_idle_connection(Told())
        async with listening() as listener:
            await test_a_client_that_has_closed_its_sending_half_is_answered(listener.addresses[0])
            async with wire(listener.addresses[0]) as one:
                assert (await one.ask(MALFORMED["TLS"])).status == 400
                assert await one.rest() == b""

    uvloop.run(all_at_once())
