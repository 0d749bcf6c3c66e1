"""Answers as bytes: written in one piece, and again for the same bytes on the same connection, without asking anybody.

A workload that asks every time sends one head over and over, but for the `traceparent` that its tracing may add. What
the answer depends on, the head, the peer and the configuration, is the same by then; what can change meanwhile is for
`Again` to say.
"""

import re
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from typing import TypeAlias

from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter

#: The body as it would be now, the same object while it has not changed; `None`: ask in full.
Again: TypeAlias = Callable[[], bytes | None]

#: Bytes of a head that is remembered; an idle connection costs as much.
LONGEST_HEAD = 2048

# W3C Trace Context section 3.2: another value of this length, in these characters, leaves every other field as it was.
_VALUE = rb"[0-9a-f-]{55}"
_TRACEPARENT = re.compile(rb"\r\ntraceparent: (%s)\r\n" % _VALUE, re.IGNORECASE)
_SPAN = re.compile(_VALUE)


class Repeatable(web.Response):
    """A body with status 200 and a few fields that hardly vary. `again` is set when a GET may be answered so again.

    As a rule it writes itself, the bytes that aiohttp would write: that spares a sixth of what a request takes.
    """

    again: Again | None = None
    #: How the bytes began that it has written; `None` where aiohttp writes.
    head: bytes | None = None

    @property
    def keep_alive(self) -> bool | None:
        """Whether the connection stays open."""
        return super().keep_alive if self.head is None else True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write everything, or let aiohttp begin."""
        body = self.body
        if not isinstance(body, bytes) or not self._is_usual(request):
            return await super().prepare(request)
        self.head = _head(self.reason, tuple(self.headers.items()))
        await request.writer.write_eof(_whole(self.head, body, int(time.time())))
        return request.writer

    def _is_usual(self, request: web.BaseRequest) -> bool:
        """Whether the connection stays open without a word of it, and the body belongs to the answer."""
        stays_open = request.version == HttpVersion11 and request.keep_alive and self.keep_alive is None
        return stays_open and request.method in {"GET", "POST"} and self.status == 200

    async def write_eof(self, data: bytes = b"") -> None:
        """Write what is left."""
        if self.head is None:
            await super().write_eof(data)


class Repeat:
    """What a connection remembers of its last answer, and of what it was for.

    Nothing is worked out before a second request comes: it may never.
    """

    __slots__ = ("_again", "_answer", "_asked", "_body", "_head", "_second", "_varies")

    def __init__(self, asked: bytes, head: bytes, again: Again) -> None:
        self._asked = asked
        self._varies: tuple[int, int] | None = None  # where the value of `traceparent` is; from 0 to 0: nowhere
        self._head = head
        self._again = again
        self._body = b""
        self._second = 0
        self._answer = b""

    def covers(self, asked: bytes) -> bool:
        """Whether `asked` is what was answered, or has another `traceparent` where that had one."""
        known = self._asked
        if asked == known:
            return True
        if self._varies is None:
            found = _TRACEPARENT.search(known)
            self._varies = found.span(1) if found else (0, 0)
        start, end = self._varies
        around = asked[:start] == known[:start] and asked[end:] == known[end:]
        return around and _SPAN.fullmatch(asked, start, end) is not None

    def __call__(self) -> bytes | None:
        """The whole answer as it would be now: the bytes to send, or `None`."""
        body = self._again()
        if body is None:
            return None
        second = int(time.time())
        if body is not self._body or second != self._second:
            self._body, self._second = body, second
            self._answer = _whole(self._head, body, second)
        return self._answer


def _whole(head: bytes, body: bytes, second: int) -> bytes:
    """An answer as it goes over the wire in this second since the epoch."""
    return b"%bContent-Length: %d\r\nDate: %b\r\n\r\n%b" % (head, len(body), _date(second), body)


# The fields of our answers are few, and none has a value from outside.
@lru_cache(maxsize=32)
def _head(reason: str, fields: tuple[tuple[str, str], ...]) -> bytes:
    return "".join([f"HTTP/1.1 200 {reason}\r\n", *(f"{name}: {value}\r\n" for name, value in fields)]).encode()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
