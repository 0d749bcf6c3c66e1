"""What one connection may send, leave unfinished or leave unread."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from broker.core.durations import Duration
from broker.core.events import Event, Refused
from broker.core.settings import AdminLimits, Limits
from broker.http_server import Listener
from raw_http import Wire, get, wire

LARGE = 200_000


async def handle(request: web.BaseRequest) -> web.StreamResponse:
    if request.path == "/large":
        return web.Response(body=b"x" * LARGE)
    if request.path == "/medium":
        return web.Response(body=b"x" * 20_000)
    if request.path == "/wait":
        await asyncio.sleep(0.6)
    if request.path == "/slow":
        await asyncio.sleep(0.2)
    body = await request.read() if request.path == "/body" else b""
    return web.Response(body=f"{request.path} {len(body)}".encode())


@pytest.fixture
def seen() -> list[Event]:
    return []


@asynccontextmanager
async def listening(
    seen: list[Event], limits: Limits | None = None, *, address: str = "127.0.0.1:0", loopback_only: bool = True
) -> AsyncIterator[str]:
    async with Listener(
        "api.listen",
        [address],
        handle,
        max_connections=64,
        limits=limits or Limits(),
        loopback_only=loopback_only,
        observe=seen.append,
    ) as listener:
        yield listener.addresses[0]


def refused(seen: list[Event]) -> list[str]:
    return [event.reason for event in seen if isinstance(event, Refused)]


def padded(length: int) -> bytes:
    """A request head of that many bytes, in fields that are each within the limit."""
    head = get("/", *("A: " + "x" * 1000 for _ in range(length // 1000 - 1)))[:-2]
    return head + b"B: " + b"y" * (length - len(head) - 7) + b"\r\n\r\n"


async def test_a_head_may_have_16_kib_and_no_byte_more(seen: list[Event]) -> None:
    async with listening(seen) as address, wire(address) as one:
        assert (await one.ask(padded(16384))).status == 200
        assert (await one.ask(padded(16385))).status == 400
    assert refused(seen) == ["malformed"]


async def test_an_unfinished_head_is_refused_at_16_kib(seen: list[Event]) -> None:
    async with listening(seen) as address, wire(address) as one:
        for piece in (padded(20000)[:9000], padded(20000)[9000:-1]):
            await one.send(piece)
            await asyncio.sleep(0.02)
        assert (await one.answer()).status == 400
    assert refused(seen) == ["malformed"]


async def test_a_body_in_tiny_chunks_is_refused(seen: list[Event]) -> None:
    async with listening(seen) as address, wire(address) as one:
        await one.send(get("/body", "Transfer-Encoding: chunked", method="POST") + b"1\r\nx\r\n" * 500)
        assert (await one.ask(b"1\r\nx\r\n" * 100)).status == 400
    assert refused(seen) == ["malformed"]


async def test_a_body_in_reasonable_chunks_is_read(seen: list[Event]) -> None:
    async with listening(seen) as address, wire(address) as one:
        chunk = b"100\r\n" + b"x" * 256 + b"\r\n"
        head = get("/body", "Transfer-Encoding: chunked", method="POST")
        assert (await one.ask(head + chunk * 200 + b"0\r\n\r\n")).body == b"/body 51200"
    assert not seen


@pytest.mark.parametrize("more", [b"A: " + b"x" * 1000 + b"\r\n", b"A:b\r\n"], ids=["long", "many"])
async def test_trailers_without_end_are_refused(more: bytes, seen: list[Event]) -> None:
    async with listening(seen) as address, wire(address) as one:
        await one.send(get("/body", "Transfer-Encoding: chunked", method="POST") + b"0\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(200):
                await one.send(more * 10)
                await asyncio.sleep(0)
        assert (await one.answer()).status == 400
    assert refused(seen) == ["malformed"]


async def test_bytes_that_nobody_reads_are_dropped_until_the_connection_closes(seen: list[Event]) -> None:
    async with listening(seen) as address, wire(address) as one:
        await one.send(get("/", "Content-Length: 10000000", method="POST"))
        assert (await one.answer()).status == 200
        for _ in range(20):
            await one.send(b"x" * 50_000)
        assert await one.rest() == b""


async def test_pipelined_requests_wait_unparsed_and_are_all_answered(seen: list[Event]) -> None:
    async with listening(seen) as address, wire(address) as one:
        sending = asyncio.create_task(one.send(get("/slow") + get("/x") * 3000))
        assert (await one.answer()).body == b"/slow 0"
        for _ in range(3000):
            assert (await one.answer()).body == b"/x 0"
        await sending
        assert (await one.ask(get("/after"))).body == b"/after 0"
    assert not seen


async def test_a_client_that_ends_after_pipelining_gets_every_answer(seen: list[Event]) -> None:
    async with listening(seen) as address, wire(address) as one:
        await one.send(get("/slow"))
        await asyncio.sleep(0.05)
        await one.send(get("/x") + get("/y") + b"GET /unfini")
        one.writer.write_eof()
        assert [(await one.answer()).body for _ in range(3)] == [b"/slow 0", b"/x 0", b"/y 0"]
        assert await one.rest() == b""


@asynccontextmanager
async def unread(address: str) -> AsyncIterator[Wire]:
    """A client that takes very little of what it is sent."""
    host, _, port = address.rpartition(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)  # noqa: FBT003 - there is no other way
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=sock, limit=1024)
    try:
        yield Wire(reader, writer)
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("sent", [get("/large") * 2, get("/medium") * 40], ids=["large", "many"])
async def test_a_client_that_reads_nothing_is_cut_off(sent: bytes, seen: list[Event]) -> None:
    async with listening(seen, Limits(send_timeout=Duration(0.3))) as address, unread(address) as one:
        await one.send(sent)
        async with asyncio.timeout(3):
            while not seen:
                await asyncio.sleep(0.05)
    assert refused(seen) == ["evicted"]


async def test_a_client_that_reads_slowly_gets_everything(seen: list[Event]) -> None:
    async with listening(seen, Limits(send_timeout=Duration(0.2))) as address, unread(address) as one:
        await one.send(get("/large") + get("/x"))
        taken = 0
        while taken < LARGE:
            taken += len(await one.reader.read(20_000))
            await asyncio.sleep(0.02)
        assert (await one.rest() if taken < LARGE else b"") == b""
    assert not seen


async def test_who_takes_too_much_memory_is_closed_and_the_others_served(seen: list[Event]) -> None:
    limits = Limits(buffered=1 << 20)
    async with listening(seen, limits) as address, AsyncExitStack() as stack:
        modest = await stack.enter_async_context(wire(address))
        await modest.send(get("/x")[:-2])
        for _ in range(60):
            greedy = await stack.enter_async_context(wire(address))
            await greedy.send(get("/body", "Content-Length: 60000", method="POST") + b"x" * 50_000)
        await asyncio.sleep(0.1)
        assert set(refused(seen)) == {"evicted"}
        assert (await modest.ask(b"\r\n")).body == b"/x 0"


async def test_one_peer_has_at_most_a_quarter_of_the_admin_listener(seen: list[Event]) -> None:
    async with listening(seen, AdminLimits(), loopback_only=False) as address, AsyncExitStack() as stack:
        for _ in range(30):
            await stack.enter_async_context(wire(address))
        await asyncio.sleep(0.5)
        assert refused(seen) == ["evicted"] * 14


async def test_a_user_is_a_peer_on_a_unix_socket(seen: list[Event], tmp_path: Path) -> None:
    async with (
        listening(seen, address=f"unix:{tmp_path}/s", loopback_only=False) as address,
        AsyncExitStack() as stack,
    ):
        for _ in range(20):
            await stack.enter_async_context(wire(address))
        await asyncio.sleep(0.5)
        assert refused(seen) == ["evicted"] * 4


@pytest.mark.looptime
async def test_admin_connections_are_idle_for_ten_seconds_at_most(seen: list[Event]) -> None:
    async with listening(seen, AdminLimits()) as address, wire(address) as one:
        await one.ask(get("/x"))
        began = asyncio.get_running_loop().time()
        assert await one.reader.read() == b""
        assert asyncio.get_running_loop().time() - began == pytest.approx(10, abs=1)


async def test_a_burst_never_evicts_a_request_that_has_arrived(seen: list[Event]) -> None:
    async with Listener("api.listen", ["127.0.0.1:0"], handle, max_connections=8, observe=seen.append) as listener:
        host, _, port = listener.addresses[0].rpartition(":")
        clients = []
        for number in range(600):  # all accepted by the kernel, and none by the listener
            clients.append(socket.create_connection((host, int(port))))
            if number % 3 == 0:
                clients[-1].sendall(get(f"/{number}"))
        await asyncio.sleep(1)
        for number, client in enumerate(clients):
            client.settimeout(1)
            if number % 3 == 0:
                assert client.recv(4096).startswith(b"HTTP/1.1 200 OK")
            client.close()
    assert set(refused(seen)) == {"evicted"}


async def test_those_that_are_answered_or_do_not_read_leave_before_the_busy(seen: list[Event]) -> None:
    async with (
        Listener("api.listen", ["127.0.0.1:0"], handle, max_connections=2, observe=seen.append) as listener,
        wire(listener.addresses[0]) as busy,
        wire(listener.addresses[0]) as unfinished,
        wire(listener.addresses[0]) as malformed,
        unread(listener.addresses[0]) as slow,
    ):
        await slow.send(get("/medium") * 40)
        await unfinished.send(get("/body", "Content-Length: 9", method="POST"))
        assert (await malformed.ask(b"\0")).status == 400
        await busy.send(get("/wait"))
        assert (await busy.answer()).body == b"/wait 0"
        assert await unfinished.rest() == b""
    assert refused(seen) == ["malformed", "evicted", "evicted"]
