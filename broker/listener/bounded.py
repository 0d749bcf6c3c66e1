"""The bounds of one connection: what a client may send, leave unfinished or leave unread, and for how long.

aiohttp's parser sees a head when it is complete, and one request at a time. Until then its bytes wait here, which costs
their length and nothing else: no task, no parsed fields. tests/test_listener.py names what is used here that aiohttp
does not document.
"""

import asyncio
from collections.abc import Hashable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from broker.events import Refused
from broker.listener import web
from broker.listener.caching_handler import CachingHandler
from broker.listener.peer import source_of
from broker.listener.pool import Pool, Standing

if TYPE_CHECKING:
    from broker.listener.connection import Door

#: Seconds for a client that was refused in mid-sentence to read why, and for one that said its last to be answered.
LINGER_SECONDS = 2.0
#: Bytes of answers above which nothing more is read from a client that does not read them.
UNREAD = 4096
#: Bytes that asyncio reads from a connection before it turns to the next.
MOST_PER_READ = 16384
#: Lines of a request beyond its fields: chunks, two lines each, and trailers. Each chunk costs 1.5 µs, however small.
BODY_LINES = 1024
#: What the objects made of a line (a header field, a chunk) take beside its bytes.
LINE_COST = 256

#: Bytes of a body beyond its content: sizes of chunks, trailers.
FRAMING = 16384

END = b"\r\n\r\n"


class BoundedHandler(CachingHandler):
    """aiohttp's connection within the limits of a `Door` and a place in a `Pool`."""

    __slots__ = (
        *("_answered", "_awake", "_begun", "_door", "_ended", "_lines", "_malformed", "_payload", "_pool"),
        *("_sending", "_since", "_size", "_timer", "_unsent", "made", "owed", "source"),
    )

    def __init__(self, door: "Door", pool: Pool, **options: Any) -> None:  # noqa: ANN401 - aiohttp's, passed through
        super().__init__(door, **options)
        self._door = door
        self._pool = pool
        self.source: Hashable = None
        self.made = 0.0
        self.owed = 0
        #: Requests that were answered; aiohttp counts those that came in `_request_count`.
        self._answered = 0
        #: A head that is not complete, or what came after a request that is not answered.
        self._begun = b""
        #: The body of the last request; lines and bytes that have come since the last answer.
        self._payload: StreamReader = EMPTY_PAYLOAD
        self._lines = 0
        self._size = 0
        #: When the client began what it has not finished: a request, or reading an answer.
        self._since = 0.0
        self._awake = False
        self._ended = False
        self._malformed = False
        self._unsent = 0
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place in the pool, or hang up at once: without a task, before anything is read."""
        real = cast("asyncio.Transport", transport)
        self.made = self._loop.time()
        self.source = source_of(real) if self._pool.by_source else None
        if not self._pool.admit(self, self._loop):
            real.abort()
            self._door.observe(Refused(reason="connection_limit"))
            return
        real.set_write_buffer_limits(high=UNREAD)
        if hasattr(real, "max_size"):
            # asyncio allocates that much for each read, 256 KiB by default, and what is kept of it splits the heap.
            # uvloop has one buffer for all.
            real.max_size = MOST_PER_READ
        BaseProtocol.connection_made(self, real)
        self._door.connection_made(self, real)
        self._next_keepalive_close_time = self.made + self._door.limits.first_byte_timeout
        self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Leave the pool, and forget the timers, which would keep this object."""
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        self._pool.discard(self)
        self._release()
        for timer in (self._timer, self._sending):
            if timer:
                timer.cancel()
        self._timer = self._sending = None

    # What a pool asks.

    def standing(self) -> tuple[Standing, float] | None:
        """Its class for eviction and since when; `None` while a request is being answered."""
        if self._close:  # answered for the last time
            return Standing.IDLE, self.made
        if self.writing_paused:
            return Standing.SLOW_READER, self._since
        if self._is_answering and self._payload.is_eof():
            return None
        if self._begun or not self._payload.is_eof():
            return Standing.UNFINISHED, self._since
        return Standing.IDLE, max(self.made, self._next_keepalive_close_time - self.keepalive_timeout)

    def evict(self) -> None:
        """Close the connection at once."""
        self._door.observe(Refused(reason="evicted"))
        self._leave()
        if self.transport:  # pragma: no branch - or it is closed already
            self.transport.abort()
        self.force_close()

    # What comes in.

    @property
    def _is_answering(self) -> bool:
        return self._request_count > self._answered

    def receive(self, data: bytes) -> None:
        """Pass complete heads, and bodies, on to aiohttp; keep the rest within the limits."""
        if not data:  # aiohttp goes on with what it has
            self._feed(data)
        while data and not (self._close or self._force_close):
            data = self._take(data)

    def _take(self, data: bytes) -> bytes:
        """Make use of the beginning of `data`, and return the rest."""
        if not self._payload.is_eof():
            # A head that follows the body ends here at the earliest: aiohttp gets no further one with it.
            end = data.find(END) + len(END)
            if end < len(END):
                end = len(data)
            self._feed(data[:end])
            return data[end:]
        data = self._begun + data
        if self._is_answering:
            self._keep(data)
            return b""
        data = data.lstrip(b"\r\n")  # RFC 9112 section 2.2
        end = data.find(END) + len(END)
        if end > self._door.limits.head:
            self._refuse_head()
            return b""
        if end >= len(END):
            self._begun = b""
            if self.answer_from_cache(data[:end]):
                self._stop_timer()
                self._release()
            else:
                self._feed(data[:end])
            return data[end:]
        if _is_no_head(data):
            self._begun = b""
            self._feed(data)
        else:
            self._keep(data)
        return b""

    def _keep(self, data: bytes) -> None:
        """Keep a head that is not complete, or what must wait for an answer."""
        added = len(data) - len(self._begun)
        self._begun = data
        too_large = len(data) > self._door.limits.head
        if self._is_answering:
            if too_large:
                self._pause_transport_reading()
        elif too_large:
            self._refuse_head()
            return
        elif not self._timer and data:
            self._since = self._loop.time()
            self._timer = self._loop.call_later(self._door.limits.head_timeout, self._head_overdue)
        self._charge(added)

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
                if isinstance(error := getattr(message, "exc", None), Exception):
                    error.__traceback__ = None  # its frames would keep what was read until the answer is read
            self._since = self._loop.time()
            self._stop_timer()

    def _is_within(self, data: bytes) -> bool:
        """Account for `data`, and whether the limits permit more."""
        limits = self._door.limits
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
        super().connection_made(cast("asyncio.Transport", self.transport))

    def _refuse_body(self) -> None:
        """Read nothing more, so that the client sees its answer; a handler that waits for the body is told."""
        if self._payload.total_bytes <= self._door.limits.body:  # else it knows by itself that this is too much
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
            self._door.observe(Refused(reason="malformed"))

    # Time.

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None

    def _head_overdue(self) -> None:
        self._door.observe(Refused(reason="slow_head"))
        self.force_close()

    def _process_keepalive(self) -> None:
        """Close a connection on which no request was begun in time; another timer has those that were."""
        due = self._next_keepalive_close_time
        now = self._loop.time()
        if now >= due:
            standing = self.standing()
            if standing and standing[0] is Standing.IDLE:
                self.force_close()
                return
            due = now + self.keepalive_timeout
        self._keepalive_handle = self._loop.call_at(due, self._process_keepalive)

    # What goes out.

    def pause_writing(self) -> None:
        """Read nothing more while the client does not read."""
        super().pause_writing()
        self._since = self._loop.time()
        self._pause_transport_reading()
        if self.transport:  # pragma: no branch
            self._unsent = self.transport.get_write_buffer_size()
            self._sending = self._loop.call_later(self._door.limits.send_timeout, self._check_reader, self._unsent)
            self._charge(self._unsent)

    def resume_writing(self) -> None:
        """Read again."""
        super().resume_writing()
        if self._sending:  # pragma: no branch
            self._sending.cancel()
            self._sending = None
        self._charge(-min(self._unsent, self.owed))
        self._resume()

    def _resume(self) -> None:
        if not (self.writing_paused or self._reading_paused or self._buffer_paused):
            self._resume_transport_reading()

    def _check_reader(self, left: int) -> None:
        """Hang up on a client that has taken nothing since `left` bytes were unsent."""
        unsent = self.transport.get_write_buffer_size() if self.transport else left
        if unsent < left:
            self._sending = self._loop.call_later(self._door.limits.send_timeout, self._check_reader, unsent)
        else:
            self.evict()

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
        if len(self._begun) <= self._door.limits.head:
            self._resume()
        if self._ended and not self._is_answering:
            self.force_close()

    # Memory.

    def _charge(self, amount: int) -> None:
        self.owed += amount
        self._door.budget.charge(amount)

    def _release(self) -> None:
        self._door.budget.charge(-self.owed)
        self.owed = 0


def _is_no_head(data: bytes) -> bool:
    """Whether the bytes so far cannot become a head, so that an answer need not wait for the rest."""
    line = data.find(b"\n")
    return not (65 <= data[0] <= 90) or (line >= 0 and data[line - 1 : line] != b"\r") if data else False
