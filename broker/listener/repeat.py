"""An answer that may be sent again for the same bytes on the same connection, without asking anybody.

A workload that asks every time sends one head over and over, but for the `traceparent` that its tracing may add. What
the answer depends on, the head, the peer and the configuration, is the same by then; what can change meanwhile is for
`Again` to say.
"""

import re
from collections.abc import Callable, Iterable
from email.utils import formatdate
from typing import TypeAlias

from aiohttp import web

#: The body as it would be now, the same object while nothing has changed; `None`: ask in full.
Again: TypeAlias = Callable[[], bytes | None]

#: Bytes of a head that is remembered; an idle connection costs as much.
LONGEST_HEAD = 2048

# W3C Trace Context section 3.2: another value of this length, in these characters, leaves every other field as it was.
_VALUE = rb"[0-9a-f-]{55}"
_TRACEPARENT = re.compile(rb"\r\ntraceparent: (%s)\r\n" % _VALUE, re.IGNORECASE)
_SPAN = re.compile(_VALUE)


class Repeatable(web.Response):
    """An answer to a GET. `again` is set when it may be repeated."""

    again: Again | None = None


class Repeat:
    """What a connection remembers of its last answer, and of the head it was for.

    Nothing is worked out before a second request comes: it may never.
    """

    __slots__ = ("_again", "_answer", "_asked", "_body", "_head", "_sent", "_varies")

    def __init__(self, asked: bytes, sent: web.StreamResponse, again: Again) -> None:
        self._asked = asked
        self._varies: tuple[int, int] | None = None  # where the value of `traceparent` is; from 0 to 0: nowhere
        self._sent = (f"HTTP/1.1 {sent.status} {sent.reason}", sent.headers)
        self._head = b""
        self._again = again
        self._body = b""
        self._answer = b""

    def covers(self, head: bytes) -> bool:
        """Whether `head` is the one that was answered, or has another `traceparent` where that had one."""
        asked = self._asked
        if head == asked:
            return True
        if self._varies is None:
            found = _TRACEPARENT.search(asked)
            self._varies = found.span(1) if found else (0, 0)
        start, end = self._varies
        return (
            end > 0
            and len(head) == len(asked)
            and head[:start] == asked[:start]
            and head[end:] == asked[end:]
            and _SPAN.fullmatch(head, start, end) is not None
        )

    def __call__(self) -> bytes | None:
        """The whole answer as it would be now: the bytes to send, or `None`."""
        body = self._again()
        if body is not self._body and body is not None:
            self._body = body
            self._head = self._head or _template(self._sent[0], self._sent[1].items())
            self._answer = self._head % (len(body), formatdate(usegmt=True).encode()) + body
        return body and self._answer


def _template(status: str, headers: Iterable[tuple[str, str]]) -> bytes:
    """The head of an answer, with room for its length and its date."""
    fields = (
        (name, {"Content-Length": "%d", "Date": "%s"}.get(name, value.replace("%", "%%"))) for name, value in headers
    )
    return "\r\n".join([status, *(f"{name}: {value}" for name, value in fields), "\r\n"]).encode()
