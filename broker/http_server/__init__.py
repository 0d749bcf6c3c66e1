"""HTTP server shared by the workload API and the admin listener."""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from broker.core.events import Observer
from broker.core.settings import Limits
from broker.http_server.caching_handler import FindResponse
from broker.http_server.connection import COMMON_FIELDS, ConnectionFactory, Handler
from broker.http_server.peer import Peer, over_unix, peer_of
from broker.http_server.pool import SURPLUS, Pool
from broker.http_server.sockets import BACKLOG, Bound, bind_all, open_files

__all__ = ["COMMON_FIELDS", "FindResponse", "Handler", "Listener", "Peer", "over_unix", "peer_of"]

#: Connections that asyncio accepts in one turn of the loop, before it reads from any.
ACCEPTS_PER_TURN = 64
DEFAULT_LIMITS = Limits()
#: Seconds to finish responses in flight when a listener closes.
GRACE = 0.5


class Listener:
    """Serve one handler on the addresses of one configuration key (`key` is named in errors).

    With `loopback_only`, an address reachable from the network is a ConfigError. `find_response` looks up a cached
    response for a request head before it is parsed.
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
        self._factory: ConnectionFactory | None = None
        #: Actual listening addresses, in the configuration's form, with port 0 resolved.
        self.addresses: tuple[str, ...] = ()

    async def start(self) -> None:
        """Bind and accept connections. Raises ConfigError with a sentence for each address that cannot be bound."""
        self._bound = bind_all(self._key, self._listen, loopback_only=self._loopback_only)
        self._factory = ConnectionFactory(
            self._handler, limits=self._limits, find_response=self._find_response, observe=self._observe
        )
        loop = asyncio.get_running_loop()
        for one in self._bound:
            serve = loop.create_unix_server if one.path else loop.create_server
            protocol_factory = self._factory.protocol_factory(self._pool(one))
            self._servers.append(await serve(protocol_factory, sock=one.sock, backlog=ACCEPTS_PER_TURN))
            one.sock.listen(BACKLOG)  # asyncio uses `backlog` for accepts per turn, too
        self.addresses = tuple(one.name for one in self._bound)

    def _pool(self, bound: Bound) -> Pool:
        """Create the pool for one address. A listener reachable from the network is also limited per peer."""
        ceiling = min(self._max_connections + SURPLUS, open_files() // 2 // len(self._bound))
        limit = min(self._max_connections, max(1, ceiling // 2))
        quarter = None if self._loopback_only else max(1, limit // 4)
        by_source = quarter is not None or bound.path is not None
        return Pool(limit, ceiling=ceiling, per_source=quarter, by_source=by_source)

    def stop_accepting(self) -> None:
        """Stop accepting connections; keep serving open ones."""
        while self._bound:
            self._bound.pop().unlink()
        while self._servers:
            self._servers.pop().close()

    async def close(self, grace: float = GRACE) -> None:
        """Stop accepting, close idle connections, and abort responses in flight after `grace` seconds."""
        self.stop_accepting()
        if self._factory:
            await asyncio.sleep(0)  # let connections accepted in this turn become requests
            self._factory.pre_shutdown()
            await self._factory.shutdown(grace / 2)  # aiohttp applies it twice: to the handler, then to the connection

    async def __aenter__(self) -> Self:
        """Start the listener."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the listener."""
        await self.close()
