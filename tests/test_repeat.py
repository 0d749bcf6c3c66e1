"""A repeated head is answered from memory, in the same bytes, and only when nothing else could be meant."""

import asyncio
import itertools
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broker.durations import Duration
from broker.listener import Listener, Repeatable
from broker.listener.connection import Connection
from broker.listener.repeat import LONGEST_HEAD
from broker.settings import Limits
from raw_http import Wire, get, wire


class Desk:
    """Answers by path and body; every answer to a GET may be repeated while `valid`, unless `kind` is aiohttp's own."""

    def __init__(self, kind: type[web.Response] = Repeatable) -> None:
        self.kind = kind
        self.valid = True
        self.asked: list[str] = []
        self.repeated = 0
        self.after: Callable[[Any], None] | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.raw_path}")
        body = b"" if "unread" in request.raw_path else await request.read()
        if "later" in request.raw_path:
            await asyncio.sleep(0.001)
        if "slow" in request.raw_path:
            await asyncio.sleep(0.1)
        text = f"{request.method} {request.raw_path} {body.decode('latin-1')}".encode()
        kind = Late if self.after else self.kind
        status = int(request.raw_path.partition("status-")[2] or 200)
        answer = kind(body=text, status=status, headers={"Content-Type": "text/plain"})
        if "bodiless" in request.raw_path:
            answer.body = None
        if isinstance(answer, Late):
            answer.after = self.after
        if isinstance(answer, Repeatable) and request.method == "GET":
            answer.again = lambda: self.again(text)
        if "last" in request.raw_path:
            answer.force_close()
        return answer

    def again(self, body: bytes) -> bytes | None:
        if not self.valid:
            return None
        self.repeated += 1
        return body


class Late(Repeatable):
    """Once it is sent, and before the server looks again, `after` happens to the connection."""

    after: Callable[[Any], None] | None = None

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        assert self.after is not None
        asyncio.get_running_loop().call_soon(self.after, request.protocol)
        return await super().prepare(request)


@asynccontextmanager
async def connected(desk: Desk) -> AsyncIterator[Wire]:
    async with (
        Listener("api.listen", ["127.0.0.1:0"], desk.handle, observe=lambda _: None) as listener,
        wire(listener.addresses[0]) as one,
    ):
        yield one


async def ask(one: Wire, head: bytes) -> bytes:
    await one.send(head)
    return (await one.answer()).body


async def test_the_same_bytes_are_answered_without_asking() -> None:
    desk = Desk()
    async with connected(desk) as one:
        first = [await one.ask(get("/a")) for _ in range(3)]
    assert (desk.asked, desk.repeated) == (["GET /a"], 2)
    assert first[0].body == first[2].body == b"GET /a "
    assert list(first[0].headers) == list(first[2].headers)


async def test_the_date_is_now_from_memory_too() -> None:
    async with connected(Desk()) as one:
        for _ in range(12):
            before = int(time.time())
            said = parsedate_to_datetime((await one.ask(get("/a"))).headers["date"]).timestamp()
            assert before <= said <= time.time()
            await asyncio.sleep(0.1)


async def test_other_bytes_are_asked_about_and_remembered_instead() -> None:
    desk = Desk()
    async with connected(desk) as one:
        for target in ("/a", "/b", "/b", "/a"):
            assert await ask(one, get(target)) == f"GET {target} ".encode()
    assert (desk.asked, desk.repeated) == (["GET /a", "GET /b", "GET /a"], 1)


async def test_an_answer_that_is_no_longer_right_is_asked_for() -> None:
    desk = Desk()
    async with connected(desk) as one:
        await ask(one, get("/a"))
        desk.valid = False
        await ask(one, get("/a"))
        desk.valid = True
        await ask(one, get("/a"))
    assert (len(desk.asked), desk.repeated) == (2, 1)


@pytest.mark.parametrize(
    "head",
    [
        get("/a", method="POST"),
        get("/a", method="HEAD"),
        b"GET /a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    ],
)
async def test_what_is_no_get_of_http_1_1_is_always_asked_about(head: bytes) -> None:
    desk = Desk()
    async with connected(desk) as one:
        for _ in range(2):
            await one.send(head)
            await one.answer(body=b"HEAD" not in head)
    assert (len(desk.asked), desk.repeated) == (2, 0)


async def test_a_head_too_long_to_remember_is_asked_about() -> None:
    desk = Desk()
    long = get("/a", f"Padding: {'x' * LONGEST_HEAD}")
    async with connected(desk) as one:
        assert await ask(one, long) == await ask(one, long)
    assert (len(desk.asked), desk.repeated) == (2, 0)


def traced(value: str, target: str = "/a", accept: str = "a/b") -> bytes:
    return get(target, f"Accept: {accept}", f"Traceparent: {value}", "Metadata: true")


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER_TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
SMUGGLED = "00-4bf92f3577b3\r\nOrigin: http://evil.example\r\nX: 2b7-00"


async def test_heads_that_differ_in_their_traceparent_alone_are_answered_without_asking() -> None:
    desk = Desk()
    async with connected(desk) as one:
        answers = [await ask(one, traced(value)) for value in (TRACE, OTHER_TRACE, TRACE, OTHER_TRACE)]
    assert set(answers) == {b"GET /a "}
    assert (len(desk.asked), desk.repeated) == (1, 3)


@pytest.mark.parametrize(
    "head",
    [
        traced(OTHER_TRACE, target="/b"),
        traced(OTHER_TRACE, accept="b/a"),
        traced(OTHER_TRACE).replace(b"Metadata", b"metadata"),
        traced(OTHER_TRACE[:-1]),
        traced(OTHER_TRACE + "0"),
        traced(OTHER_TRACE.upper()),
        traced(OTHER_TRACE.replace("-00", "\t 0")),
        traced(SMUGGLED),
        traced(TRACE).replace(b"Traceparent", b"Traceparenu"),
        get("/a", "Accept: a/b", "Metadata: true"),
    ],
)
async def test_heads_that_differ_in_anything_else_are_asked_about(head: bytes) -> None:
    assert len(SMUGGLED) == len(TRACE)
    desk = Desk()
    async with connected(desk) as one:
        await ask(one, traced(TRACE))
        await ask(one, head)
    assert (len(desk.asked), desk.repeated) == (2, 0)


async def test_what_only_looks_like_a_traceparent_may_not_differ() -> None:
    desk = Desk()
    async with connected(desk) as one:
        for value in (TRACE, OTHER_TRACE):
            await ask(one, get("/a", f"X: traceparent: {value}"))
            await ask(one, get(f"/traceparent:{value}"))
    assert (len(desk.asked), desk.repeated) == (4, 0)


async def test_a_body_that_looks_like_the_head_is_no_second_request() -> None:
    desk = Desk()
    head = get("/unread", "Content-Length: 00000")
    head = head.replace(b"00000", f"{len(head):05d}".encode())
    async with connected(desk) as one:
        assert await ask(one, head) == b"GET /unread "
        await one.send(head)  # its body
        await asyncio.sleep(0.05)
        assert await ask(one, get("/b")) == b"GET /b "
    assert (desk.asked, desk.repeated) == (["GET /unread", "GET /b"], 0)


async def test_nothing_is_answered_after_the_last_answer() -> None:
    desk = Desk()
    head = get("/a", "Connection: close")
    desk.after = lambda connection: connection.data_received(head)
    async with connected(desk) as one:
        await one.ask(head)
        assert await one.rest() == b""
    assert (desk.asked, desk.repeated) == (["GET /a"], 0)


@pytest.mark.parametrize("how", ["close", "force_close"])
async def test_a_connection_that_is_being_closed_answers_nothing_from_memory(how: str) -> None:
    desk = Desk()

    def close(connection: Connection) -> None:
        getattr(connection, how)()
        connection.data_received(get("/a"))

    desk.after = close
    async with connected(desk) as one:
        await one.ask(get("/a"))
        assert await one.rest() == b""
    assert (desk.asked, desk.repeated) == (["GET /a"], 0)


async def test_who_does_not_read_the_answers_is_given_no_more_of_them() -> None:
    asked = []
    body = b"x" * 1_000_000

    async def large(_: web.BaseRequest) -> web.Response:
        answer = Repeatable(body=body)
        answer.again = again
        return answer

    def again() -> bytes:
        asked.append(body)
        return body

    async with (
        Listener("api.listen", ["127.0.0.1:0"], large, observe=lambda _: None) as listener,
        wire(listener.addresses[0]) as one,
    ):
        for _ in range(100):
            await one.send(get("/a"))
            await asyncio.sleep(0.002)
    assert 0 < len(asked) < 50


async def test_two_requests_at_once_have_two_answers_each_time() -> None:
    desk = Desk()
    async with connected(desk) as one:
        for _ in range(2):
            await one.send(get("/a") + get("/b"))
            assert [(await one.answer()).body for _ in range(2)] == [b"GET /a ", b"GET /b "]
    assert (len(desk.asked), desk.repeated) == (4, 0)


async def test_the_beginning_of_the_next_request_is_part_of_that() -> None:
    desk = Desk()
    async with connected(desk) as one:
        await ask(one, get("/a") + b"G")
        await one.send(get("/a") + b"G")
        assert (await one.answer()).status == 400
    assert (desk.asked, desk.repeated) == (["GET /a"], 0)


async def test_the_end_of_a_head_is_none() -> None:
    desk = Desk()
    async with connected(desk) as one:
        await one.send(get("/a")[:2])
        await asyncio.sleep(0.05)
        await ask(one, get("/a")[2:])
        await one.send(get("/a")[2:])
        assert (await one.answer()).status == 400
    assert (desk.asked, desk.repeated) == (["GET /a"], 0)


async def test_a_repeated_head_waits_for_its_turn() -> None:
    desk = Desk()
    async with connected(desk) as one:
        await one.send(get("/slow-a"))
        await asyncio.sleep(0.05)
        await one.send(get("/slow-b"))
        answers = [await one.answer()]
        await one.send(get("/slow-b"))
        answers += [await one.answer(), await one.answer()]
    assert [answer.body for answer in answers] == [b"GET /slow-a ", b"GET /slow-b ", b"GET /slow-b "]


async def test_repeated_heads_keep_the_connection_open() -> None:
    desk = Desk()
    limits = Limits(idle_timeout=Duration(0.4))
    async with (
        Listener("api.listen", ["127.0.0.1:0"], desk.handle, limits=limits, observe=lambda _: None) as listener,
        wire(listener.addresses[0]) as one,
    ):
        for _ in range(8):
            await ask(one, get("/a"))
            await asyncio.sleep(0.1)
    assert (len(desk.asked), desk.repeated) == (1, 7)


async def test_a_declined_upgrade_is_followed_by_repeats() -> None:
    desk = Desk()
    upgrade = get(
        "/a", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA"
    )
    async with connected(desk) as one:
        for head in (upgrade, get("/b"), get("/b"), upgrade):
            await ask(one, head)
    assert desk.asked[:2] == ["GET /a", "GET /b"]


BODY_LIKE_ITS_HEAD = 2 * b"GET /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 53\r\n\r\n"
HEADS = [
    get("/a"),
    get("/b"),
    get("/a", "Accept: text/plain"),
    traced(TRACE),
    traced(OTHER_TRACE),
    traced(SMUGGLED),
    get("/later-a"),
    get("/later-b"),
    get("/status-204"),
    get("/status-404"),
    get("/bodiless"),
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
    get("/last"),
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


async def conversation(sent: list[tuple[bytes, int]], kind: type[web.Response]) -> bytes:
    """All that comes back."""
    async with connected(Desk(kind)) as one:
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
def test_the_same_bytes_come_back_as_from_aiohttp_without_memory(sent: list[tuple[bytes, int]]) -> None:
    assert asyncio.run(conversation(sent, Repeatable)) == asyncio.run(conversation(sent, web.Response))
