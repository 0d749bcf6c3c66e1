"""Limits of one connection on the size, and the duration, of unfinished requests.

aiohttp's parser receives one complete request head at a time. Until then the bytes are buffered here, without a task
or parsed fields. tests/test_listener.py lists the undocumented parts of aiohttp that are used here.
"""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from aiohttp.http_parser import RawRequestMessage

from broker.core.events import Refused
from broker.http_server import web
from broker.http_server.pool import Pool
from broker.http_server.pooled import PooledHandler

if TYPE_CHECKING:
    from broker.http_server.connection import ConnectionFactory

#: Seconds for a rejected client to read the error, and to answer a client that has closed its sending half.
LINGER_SECONDS = 2.0
#: Lines of a request beyond its fields: chunks, two lines each, and trailers. Each chunk costs 1.5 µs, however small.
BODY_LINES = 512
#: Bytes of Python objects for each line (a header field, a chunk), in addition to its content.
LINE_COST = 256

#: Bytes of a body in addition to its content: chunk sizes, trailers.
FRAMING = 16384

END = b"\r\n\r\n"


class BoundedHandler(PooledHandler):
    """aiohttp's connection, within the limits of its `ConnectionFactory`."""

    __slots__ = ("_awake", "_ended", "_length", "_lines", "_malformed", "_size", "_timer")

    def __init__(self, factory: "ConnectionFactory", pool: Pool, **options: Any) -> None:  # noqa: ANN401 - aiohttp's, passed through
        super().__init__(factory, pool, **options)
        #: Lines and bytes received since the last response.
        self._lines = 0
        self._size = 0
        #: Content-Length of the last request; `None` if its body is chunked.
        self._length: int | None = None
        #: Whether aiohttp's task is running.
        self._awake = False
        self._ended = False
        self._malformed = False
        self._timer: asyncio.TimerHandle | None = None

    def _leave(self) -> None:
        super()._leave()
        self._stop_timer()

    def receive(self, data: bytes) -> None:
        """Forward complete heads and bodies to aiohttp; buffer the rest within the limits."""
        if not data:  # aiohttp continues with its buffered input
            self._feed(data)
        while data and not (self._close or self._force_close):
            data = self._take(data)

    def _take(self, data: bytes) -> bytes:
        """Make use of the beginning of `data`, and return the rest."""
        if not self._payload.is_eof():
            end = self._end_of_body(data)
            self._feed(data[:end])
            return data[end:]
        data = self._begun + data
        if self._is_answering:
            self._keep(data)
            return b""
        data = data.lstrip(b"\r\n")  # RFC 9112 section 2.2
        end = data.find(END) + len(END)
        if end > self._factory.limits.head:
            self._refuse_head()
            return b""
        if end >= len(END):
            self._begun = b""
            if self.answer_from_cache(data[:end]):
                self._stop_timer()
                self._release()
                self._postpone(data[end:])
                return b""
            self._feed(data[:end])
            return data[end:]
        if _is_no_head(data):
            self._begun = b""
            self._feed(data)
        else:
            self._keep(data)
        return b""

    def _end_of_body(self, data: bytes) -> int:
        """Where that part of `data` ends which is certainly of the body, so that the parser keeps no part of a head."""
        if self._length is not None:
            return max(1, self._length - self._payload.total_bytes)
        return data.find(b"\n") + 1 or len(data)  # chunks end with a line (RFC 9112 section 7.1)

    def _keep(self, data: bytes) -> None:
        """Keep a head that is not complete, or what must wait for an answer."""
        added = len(data) - len(self._begun)
        self._begun = data
        too_large = len(data) > self._factory.limits.head
        if self._is_answering:
            if too_large:
                self._pause_transport_reading()
        elif too_large:
            self._refuse_head()
            return
        elif not self._timer and data:
            self._since = self._loop.time()
            self._timer = self._loop.call_later(self._factory.limits.head_timeout, self._head_overdue)
        self._charge(added)

    def _postpone(self, data: bytes) -> None:
        """Leave what a client pipelines to the next turn of the event loop, so that other connections get theirs."""
        if data:
            self._begun = data
            self._since = self._loop.time()
            self._charge(len(data))
            if len(data) > self._factory.limits.head:
                self._pause_transport_reading()
            self._loop.call_soon(self._proceed)

    def _refuse_head(self) -> None:
        self._begun = b""
        self._feed(b"\0")  # aiohttp answers that it is malformed

    def _feed(self, data: bytes) -> None:
        """Let aiohttp parse `data`, and note what it leaves open: a body that has not ended, a broken one."""
        if data and not self._is_within(data):
            return
        if not self._awake:
            self._wake()
        answering, before = self._is_answering, self._request_count
        try:
            super().data_received(data)
        except Exception:  # noqa: BLE001 - aiohttp's parser lets IndexError out for "GET http://[::1]@"
            super().data_received(b"\0")  # it has stopped in its error state, and says so properly now
        if self._request_count > before:
            if answering:
                self.break_off_body()  # if it has not ended yet, only a parse error can have followed it
            if self._messages:  # pragma: no branch
                message, self._payload = self._messages[-1]
                length = message.headers.get("Content-Length") if isinstance(message, RawRequestMessage) else None
                self._length = None if length is None else int(length)
                if isinstance(error := getattr(message, "exc", None), Exception):
                    error.__traceback__ = None  # its frames would keep what was read until the answer is read
            self._since = self._loop.time()
            self._stop_timer()

    def _is_within(self, data: bytes) -> bool:
        """Account for `data`, and whether the limits permit more."""
        limits = self._factory.limits
        lines = data.count(b"\n")
        self._lines += lines
        self._size += len(data)
        if self._lines > limits.fields + BODY_LINES or self._size > limits.head + limits.body + FRAMING:
            self._refuse_body()
            return False
        # Of a head aiohttp makes bytes, strings and a mapping of them; a body stays as it is.
        self._charge((3 if self._payload.is_eof() else 1) * len(data) + LINE_COST * lines)
        return not self._force_close  # evicted for it

    def _wake(self) -> None:
        """Start aiohttp's task, which a connection without a request does not need."""
        self._awake = True
        if self._keepalive_handle:  # pragma: no branch
            self._keepalive_handle.cancel()
        web.RequestHandler.connection_made(self, cast("asyncio.Transport", self.transport))

    def _refuse_body(self) -> None:
        """Read nothing more, so that the client sees its answer; a handler that waits for the body gets an error."""
        if self._payload.total_bytes <= self._factory.limits.body:  # else it knows by itself that this is too much
            self.break_off_body()
        self.close()

    def break_off_body(self) -> None:
        """End the wait of a handler for a body that will never end; aiohttp would let it wait."""
        if self._is_answering and not self._payload.is_eof():
            self._refuse_malformed()
            self._payload.set_exception(web.RequestPayloadError())

    def _refuse_malformed(self) -> None:
        if not self._malformed:
            self._malformed = True
            self._factory.observe(Refused(reason="malformed"))

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _head_overdue(self) -> None:
        self._factory.observe(Refused(reason="slow_head"))
        self.force_close()

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer; when the client has taken it, go on with what it has sent meanwhile."""
        resp, reset = await super().finish_response(request, resp, start_time)
        self._answered += 1
        if not resp.keep_alive:
            self.close()  # what comes after the last answer is not answered
        if self.writing_paused and not reset:
            with suppress(ConnectionError):
                await self._drain_helper()
        if not self._is_answering:
            self._release()
            self._lines = self._size = 0
        if self._begun:
            self._loop.call_soon(self._proceed)
        elif self._ended and not self._is_answering:
            self.close()
        return resp, reset

    def _proceed(self) -> None:
        """Go on with what came while a request was being answered."""
        data, self._begun = self._begun, b""
        self._charge(-min(self.owed, len(data)))
        if data:
            self.receive(data)
        if len(self._begun) <= self._factory.limits.head:
            self._resume()
        if self._ended and not self._is_answering and END not in self._begun:
            self.force_close()


def _is_no_head(data: bytes) -> bool:
    """Whether the bytes so far cannot become a head, so that an answer need not wait for the rest."""
    line = data.find(b"\n")
    return not (65 <= data[0] <= 90) or (line >= 0 and data[line - 1 : line] != b"\r") if data else False
