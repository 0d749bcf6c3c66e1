"""A cached response is written only where aiohttp's answer to the same request would stand."""

import asyncio
import itertools
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broker.core.durations import Duration
from broker.core.settings import Limits
from broker.http_server import Listener, Peer
from broker.http_server.connection import Connection
from raw_http import Wire, get, wire

# One whole head without anything that aiohttp would have to act on.
HEAD = re.compile(rb"GET (/[a-z-]+) HTTP/1\.1\r\nHost: [^\r]*\r\n(?:Accept: [^\r]*\r\n)*\r\n")
ANSWER = (
    "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nCache-Control: no-store\r\nServer: token-broker\r\n"
    "Content-Length: %d\r\nDate: now\r\n\r\n%s"
)

LIMITS = Limits()


class Server:
    """Answers with method, target and body; has a cached response to every `HEAD`, while `fresh`, unless it is slow."""

    def __init__(self) -> None:
        self.fresh = True
        self.handled: list[str] = []
        self.cached: list[str] = []
        self.peers: list[Peer] = []
        self.after: Callable[[Any], None] | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.handled.append(f"{request.method} {request.raw_path}")
        body = b"" if "unread" in request.raw_path else await request.read()
        if "later" in request.raw_path:
            await asyncio.sleep(0.001)
        if "slow" in request.raw_path:
            await asyncio.sleep(0.1)
        status = int(request.raw_path.partition("status-")[2] or 200)
        text = f"{request.method} {request.raw_path} {body.decode('latin-1')}".encode()
        answer = Late(body=text, status=status, headers={"Content-Type": "text/plain"})
        answer.after = self.after
        if "last" in request.raw_path:
            answer.force_close()
        return answer

    def find(self, data: bytes, peer: Peer) -> Callable[[], bytes | None] | None:
        self.peers.append(peer)
        found = HEAD.fullmatch(data)
        if found is None or b"-" in found[1]:
            return None
        return lambda: self.respond(f"GET {found[1].decode()}")

    def respond(self, request: str) -> bytes | None:
        if not self.fresh:
            return None
        self.cached.append(request)
        return (ANSWER % (len(request) + 1, f"{request} ")).encode()


class Late(web.Response):
    """Once it is sent, and before aiohttp looks again, `after` happens to the connection."""

    after: Callable[[Any], None] | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        if self.after:
            asyncio.get_running_loop().call_soon(self.after, request.protocol)
        return await super().prepare(request)


@asynccontextmanager
async def connected(
    server: Server, *, cache: bool = True, limits: Limits = LIMITS, address: str = "127.0.0.1:0"
) -> AsyncIterator[Wire]:
    find = server.find if cache else None
    async with (
        Listener(
            "api.listen", [address], server.handle, limits=limits, find_response=find, observe=lambda _: None
        ) as listener,
        wire(listener.addresses[0]) as one,
    ):
        yield one


async def ask(one: Wire, head: bytes) -> bytes:
    return (await one.ask(head)).body


async def test_cached_response_is_written_without_the_handler() -> None:
    server = Server()
    async with connected(server) as one:
        assert [await ask(one, get("/a")) for _ in range(3)] == [b"GET /a "] * 3
    assert (server.handled, server.cached) == ([], ["GET /a"] * 3)


async def test_the_cache_is_not_searched_for_the_same_bytes_twice() -> None:
    server = Server()
    async with connected(server) as one:
        for target in ("/a", "/a", "/b", "/b", "/a"):
            assert await ask(one, get(target)) == f"GET {target} ".encode()
    assert (len(server.peers), len(server.cached)) == (3, 5)


async def test_request_without_cached_response_is_handled_and_the_next_cached() -> None:
    server = Server()
    async with connected(server) as one:
        for target in ("/a", "/not-cached", "/a", "/not-cached", "/not-cached", "/b"):
            assert await ask(one, get(target)) == f"GET {target} ".encode()
    assert (server.handled, server.cached) == (["GET /not-cached"] * 3, ["GET /a", "GET /a", "GET /b"])


async def test_response_that_is_no_longer_fresh_is_not_written() -> None:
    server = Server()
    async with connected(server) as one:
        for server.fresh in (True, False, False, True):
            assert await ask(one, get("/a")) == b"GET /a "
    assert (len(server.handled), len(server.cached)) == (2, 2)
    assert len(server.peers) == 4, "the cache is searched again after it"


async def test_the_cache_knows_the_peer(tmp_path: Path) -> None:
    server = Server()
    for address in ("127.0.0.1:0", f"unix:{tmp_path}/api.sock"):
        async with connected(server, address=address) as one:
            await ask(one, get("/a"))
    tcp, unix = server.peers
    assert tcp == Peer(over_unix=False, uid=None)
    assert unix.over_unix


async def test_body_that_looks_like_a_head_is_no_request() -> None:
    server = Server()
    head = get("/unread", f"Content-Length: {len(get('/a'))}")
    async with connected(server) as one:
        assert await ask(one, head) == b"GET /unread "
        await one.send(get("/a"))  # its body
        await asyncio.sleep(0.05)
        assert await ask(one, get("/b")) == b"GET /b "
    assert (server.handled, server.cached) == (["GET /unread"], ["GET /b"])


async def test_nothing_is_written_after_the_last_answer() -> None:
    server = Server()
    server.after = lambda connection: connection.data_received(get("/a"))
    async with connected(server) as one:
        await ask(one, get("/a", "Connection: close"))
        assert await one.rest() == b""
    assert server.cached == []


@pytest.mark.parametrize("how", ["close", "force_close"])
async def test_closing_connection_gets_no_cached_response(how: str) -> None:
    server = Server()

    def close(connection: Connection) -> None:
        getattr(connection, how)()
        connection.data_received(get("/a"))

    server.after = close
    async with connected(server) as one:
        await ask(one, get("/not-cached"))
        assert await one.rest() == b""
    assert server.cached == []


async def test_client_that_does_not_read_is_sent_no_more() -> None:
    body = b"x" * 1_000_000
    written = []

    def respond() -> bytes:
        written.append(body)
        return b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + body

    async def never(_: web.BaseRequest) -> web.Response:
        return await asyncio.sleep(60, web.Response())

    async with (
        Listener(
            "api.listen", ["127.0.0.1:0"], never, find_response=lambda *_: respond, observe=lambda _: None
        ) as listener,
        wire(listener.addresses[0]) as one,
    ):
        for _ in range(100):
            await one.send(get("/a"))
            await asyncio.sleep(0.002)
    assert 0 < len(written) < 50


async def test_pipelined_requests_are_answered_in_order() -> None:
    server = Server()
    async with connected(server) as one:
        for _ in range(2):
            await one.send(get("/a") + get("/b"))
            assert [(await one.answer()).body for _ in range(2)] == [b"GET /a ", b"GET /b "]
    assert (server.handled, server.cached) == ([], ["GET /a", "GET /b"] * 2)


async def test_client_that_pipelines_leaves_others_their_turn() -> None:
    server = Server()
    async with connected(server) as one, wire(f"127.0.0.1:{one.writer.get_extra_info('peername')[1]}") as other:
        await ask(other, get("/b"))
        await one.send(get("/a") * 100)
        assert await ask(other, get("/b")) == b"GET /b "
        assert server.cached.count("GET /a") < 50
        assert [(await one.answer()).body for _ in range(100)] == [b"GET /a "] * 100


async def test_the_beginning_of_the_next_request_belongs_to_that() -> None:
    server = Server()
    async with connected(server) as one:
        await ask(one, get("/a") + b"G")
        await one.send(get("/a"))
        assert (await one.answer()).status == 400
    assert server.cached == ["GET /a"]


async def test_the_end_of_a_head_is_no_head() -> None:
    server = Server()
    async with connected(server) as one:
        await one.send(b"GET /handled HTTP/1.1\r\nX: ")
        await asyncio.sleep(0.05)
        await one.send(get("/a"))
        await one.answer()
    assert (server.handled, server.cached) == (["GET /handled"], [])


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 7\r\n\r\na\r\n\r\nbc",
        b"Transfer-Encoding: chunked\r\n\r\n3\r\na\r\n\r\n2;x\r\nbc\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nT: x\r\n\r\n",
    ],
)
async def test_head_behind_a_body_may_be_cut_anywhere(body: bytes) -> None:
    stream = b"POST /p HTTP/1.1\r\nHost: x\r\n" + body + get("/a") + get("/end", "Connection: close")
    for cut in range(len(stream)):
        server = Server()
        async with connected(server) as one:
            await one.send(stream[:cut])
            for _ in range(MOST_TURNS):
                await asyncio.sleep(0)
            await one.send(stream[cut:])
            assert (await one.rest()).count(b"HTTP/1.1 200 OK") == 3, f"cut at {stream[:cut]!r}"
        assert (server.handled, server.cached) == (["POST /p", "GET /end"], ["GET /a"])


async def test_cached_response_never_overtakes_another_answer() -> None:
    server = Server()
    async with connected(server) as one:
        await one.send(get("/slow-a"))
        await asyncio.sleep(0.05)
        await one.send(get("/b"))
        assert [(await one.answer()).body for _ in range(2)] == [b"GET /slow-a ", b"GET /b "]
    assert (server.handled, server.cached) == (["GET /slow-a"], ["GET /b"])


async def test_cached_responses_keep_the_connection_open() -> None:
    server = Server()
    async with connected(server, limits=Limits(idle_timeout=Duration(0.4))) as one:
        for _ in range(8):
            await ask(one, get("/a"))
            await asyncio.sleep(0.1)
        assert len(server.cached) == 8
        await asyncio.sleep(0.5)
        assert await one.rest() == b""


async def test_connection_that_declined_http_2_is_cached_again() -> None:
    server = Server()
    upgrade = get(
        "/a", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"
    )
    async with connected(server) as one:
        for head in (upgrade, get("/b"), upgrade, upgrade, get("/b")):
            await ask(one, head)
    assert (server.handled, server.cached) == (["GET /a"] * 3, ["GET /b"] * 2)


BODY_LIKE_ITS_HEAD = 2 * b"GET /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 53\r\n\r\n"
HEADS = [
    get("/a"),
    get("/b"),
    get("/a", "Accept: text/plain"),
    get("/not-cached"),
    get("/later-a"),
    get("/later-b"),
    get("/status-204"),
    get("/status-404"),
    get("/a", method="HEAD"),
    b"GET /a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    b"POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 36\r\n\r\n" + get("/a")[:36].ljust(36),
    BODY_LIKE_ITS_HEAD,
    BODY_LIKE_ITS_HEAD,
    get("/a", "Connection: keep-alive"),
    b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    b"\r\n" + get("/a"),
]
#: Turns of the event loop within which a request is answered and the connection waits for the next, or is closed.
MOST_TURNS = 10
LAST = [
    get("/end", "Connection: close"),
    get("/last-one"),
    b"GET /end HTTP/1.0\r\n\r\n",
    b"GET /a HTTP/1.1\nHost: x\n\n",
    b"nonsense\r\n\r\n",
    b"GET /\0 HTTP/1.1\r\n\r\n",
]


@st.composite
def sendings(draw: st.DrawFn) -> list[tuple[bytes, int]]:
    """Requests as they may come off the wire, whole, in pieces, several in one: each with the event loop's turns until
    the next, which comes when nothing happens any more if there are more than a few.
    """
    requests = [
        head
        for _ in range(draw(st.integers(1, 6)))
        for head in [draw(st.sampled_from(HEADS))] * draw(st.integers(1, 3))
    ]
    stream = b"".join([*requests, draw(st.sampled_from(LAST))])
    ends = [match.end() for match in re.finditer(rb"\r\n\r\n", stream)]
    ends = [end for end in ends if draw(st.integers(0, 4))] + draw(st.lists(st.integers(0, len(stream)), max_size=3))
    cuts = sorted({0, len(stream), *ends})
    return [(stream[start:end], draw(st.integers(0, MOST_TURNS + 3))) for start, end in itertools.pairwise(cuts)]


async def conversation(sent: list[tuple[bytes, int]], *, cache: bool) -> bytes:
    """All that comes back."""
    async with connected(Server(), cache=cache) as one:
        for piece, turns in sent:
            await one.send(piece)
            for _ in range(min(turns, MOST_TURNS)):
                await asyncio.sleep(0)
            if turns > MOST_TURNS:
                await asyncio.sleep(0.002)
        return re.sub(rb"Date: [^\r]*", b"Date", await one.rest())


@given(sendings())
@example([(piece, MOST_TURNS + 1) for piece in (BODY_LIKE_ITS_HEAD[:53], BODY_LIKE_ITS_HEAD[53:], LAST[0])])
@example([(piece, MOST_TURNS + 1) for piece in (get("/a") + get("/b"), get("/a") + get("/b"), LAST[0])])
@example([(piece, MOST_TURNS + 1) for piece in (get("/a") + b"G", get("/a") + b"G", LAST[0])])
@settings(max_examples=200)
def test_with_and_without_cache_the_same_bytes_come_back(sent: list[tuple[bytes, int]]) -> None:
    assert asyncio.run(conversation(sent, cache=True)) == asyncio.run(conversation(sent, cache=False))
