"""A connection as a member of a pool: eviction, time and memory limits, and clients that do not read.

tests/test_listener.py lists the undocumented parts of aiohttp that are used here.
"""

import asyncio
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, cast

from aiohttp.base_protocol import BaseProtocol
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from broker.core.events import Refused
from broker.http_server.caching_handler import CachingHandler
from broker.http_server.peer import source_of
from broker.http_server.pool import Pool, Standing

if TYPE_CHECKING:
    from broker.http_server.connection import ConnectionFactory

#: Unsent response bytes at which reading from the client pauses.
UNREAD = 4096
#: Bytes that asyncio reads from a connection in one turn of the loop.
MOST_PER_READ = 16384


class PooledHandler(CachingHandler):
    """aiohttp's connection with a place in a `Pool`."""

    __slots__ = (
        *("_answered", "_begun", "_factory", "_payload", "_pool", "_sending", "_since", "_unsent"),
        *("made", "owed", "source"),
    )

    def __init__(self, factory: "ConnectionFactory", pool: Pool, **options: Any) -> None:  # noqa: ANN401 - aiohttp's, passed through
        super().__init__(factory, **options)
        self._factory = factory
        self._pool = pool
        self.source: Hashable = None
        self.made = 0.0
        self.owed = 0
        #: Requests answered; aiohttp counts requests received in `_request_count`.
        self._answered = 0
        #: An incomplete request head, or bytes received after a request that is still in flight.
        self._begun = b""
        #: The body of the last request.
        self._payload: StreamReader = EMPTY_PAYLOAD
        #: Loop time at which the client began an unfinished request, or reading a response.
        self._since = 0.0
        self._unsent = 0
        self._sending: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the pool, or abort the connection before any task is created or byte read."""
        real = cast("asyncio.Transport", transport)
        self.made = self._loop.time()
        self.source = source_of(real) if self._pool.by_source else None
        if not self._pool.admit(self, self._loop):
            real.abort()
            self._factory.observe(Refused(reason="connection_limit"))
            return
        real.set_write_buffer_limits(high=UNREAD)
        if hasattr(real, "max_size"):
            # asyncio allocates that much for each read, 256 KiB by default, and what is kept of it splits the heap.
            # uvloop has one buffer for all.
            real.max_size = MOST_PER_READ
        BaseProtocol.connection_made(self, real)
        self._factory.connection_made(self, real)
        self._next_keepalive_close_time = self.made + min(
            self._factory.limits.first_byte_timeout, self.keepalive_timeout
        )
        self._keepalive_handle = self._loop.call_at(self._next_keepalive_close_time, self._process_keepalive)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Leave the pool, and forget the timers, which would keep this object."""
        self._leave()
        super().connection_lost(exc)

    def _leave(self) -> None:
        self._pool.discard(self)
        self._release()
        if self._sending:
            self._sending.cancel()
            self._sending = None

    # What a pool asks.

    @property
    def _is_answering(self) -> bool:
        return self._request_count > self._answered

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
        self._factory.observe(Refused(reason="evicted"))
        self._leave()
        if self.transport:  # pragma: no branch - or it is closed already
            self.transport.abort()
        self.force_close()

    # Time.

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
            self._sending = self._loop.call_later(self._factory.limits.send_timeout, self._check_reader, self._unsent)
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
            self._sending = self._loop.call_later(self._factory.limits.send_timeout, self._check_reader, unsent)
        else:
            self.evict()

    # Memory.

    def _charge(self, amount: int) -> None:
        self.owed += amount
        self._factory.budget.charge(amount)

    def _release(self) -> None:
        self._factory.budget.charge(-self.owed)
        self.owed = 0
