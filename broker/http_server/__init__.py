"""The server under the workload API and under the admin listener."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from broker.core.events import Observer
from broker.core.settings import Limits
from broker.http_server.caching_handler import FindResponse
from broker.http_server.connection import COMMON_FIELDS, Door, Handler
from broker.http_server.peer import Peer, over_unix, peer_of
from broker.http_server.pool import SURPLUS, Pool
from broker.http_server.sockets import BACKLOG, Bound, bind_all, open_files

__all__ = ["COMMON_FIELDS", "FindResponse", "Handler", "Listener", "Peer", "over_unix", "peer_of"]

#: Connections that asyncio accepts at once, before it reads from any.
ACCEPTS_PER_TURN = 64
#: Of a listener that says none.
DEFAULT_LIMITS = Limits()
#: Seconds that answers under way are given when a listener is closed.
GRACE = 0.5


class Listener:
    """Serves one handler on the addresses of one configuration key (`key` is for the errors).

    Unless `loopback_only` is waived, an address that the network can reach is a ConfigError. `find_response` may find a
    cached response to a request head before it is parsed.
    """

    def __init__(
        self,
        key: str,
        listen: Sequence[str],
        handler: Handler,
        *,
        max_connections: int = 64,
        limits: Limits = DEFAULT_LIMITS,
        loopback_only: bool = True,
        find_response: FindResponse | None = None,
        observe: Observer,
    ) -> None:
        self._key = key
        self._listen = tuple(listen)
        self._handler = handler
        self._max_connections = max_connections
        self._limits = limits
        self._loopback_only = loopback_only
        self._find_response = find_response
        self._observe = observe
        self._bound: list[Bound] = []
        self._servers: list[asyncio.Server] = []
        self._door: Door | None = None
        #: What it really listens on, in the configuration's form; a port 0 is resolved.
        self.addresses: tuple[str, ...] = ()

    async def start(self) -> None:
        """Accept connections. Raises ConfigError with a sentence for each address that cannot be had."""
        self._bound = bind_all(self._key, self._listen, loopback_only=self._loopback_only)
        self._door = Door(self._handler, limits=self._limits, find_response=self._find_response, observe=self._observe)
        loop = asyncio.get_running_loop()
        for one in self._bound:
            serve = loop.create_unix_server if one.path else loop.create_server
            entrance = self._door.entrance(self._pool(one))
            self._servers.append(await serve(entrance, sock=one.sock, backlog=ACCEPTS_PER_TURN))
            one.sock.listen(BACKLOG)  # asyncio takes `backlog` for both
        self.addresses = tuple(one.name for one in self._bound)

    def _pool(self, bound: Bound) -> Pool:
        """The connections of one address. Those of a listener that the network reaches are bounded by peer."""
        ceiling = min(self._max_connections + SURPLUS, open_files() // 2 // len(self._bound))
        limit = min(self._max_connections, max(1, ceiling // 2))
        quarter = None if self._loopback_only else max(1, limit // 4)
        by_source = quarter is not None or bound.path is not None
        return Pool(limit, ceiling=ceiling, per_source=quarter, by_source=by_source)

    def stop_accepting(self) -> None:
        """Let nobody else in; who is in is served on."""
        while self._bound:
            self._bound.pop().unlink()
        while self._servers:
            self._servers.pop().close()

    async def close(self, grace: float = GRACE) -> None:
        """Stop accepting, close idle connections, give answers under way at most `grace` seconds, cut off the rest."""
        self.stop_accepting()
        if self._door:
            await asyncio.sleep(0)  # what was accepted in this turn of the loop becomes a request first
            self._door.pre_shutdown()
            await self._door.shutdown(grace / 2)  # aiohttp grants it twice: to the handler, then to the connection

    async def __aenter__(self) -> Self:
        """Start."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.close()
