"""One server connection: aiohttp's low-level server with limits, which never logs or echoes client input.

`web.Application` does not accept a custom protocol class, and the protocol enforces the limits and writes cached
responses. tests/test_listener.py lists the undocumented parts of aiohttp that are used here.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError
from yarl import URL

from broker.core.errors import place_of
from broker.core.events import Crashed, Observer
from broker.core.settings import Limits
from broker.http_server import web
from broker.http_server.bounded import END, LINGER_SECONDS, BoundedHandler
from broker.http_server.caching_handler import FindResponse
from broker.http_server.pool import ByteBudget, Pool

#: Buffered body bytes for a handler; reading pauses at twice as many.
READ_AHEAD = 16384

MALFORMED = "The request is not well-formed HTTP/1.1, or its head is too large (api.limits in the configuration)."

#: Default header fields of every response.
COMMON_FIELDS: Mapping[str, str] = MappingProxyType({"Cache-Control": "no-store", "Server": "token-broker"})

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(BoundedHandler):
    """The protocol of one client connection. Client input is neither logged nor echoed."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Serve a repeated request head from the cache, or process the data."""
        if data != self._head or self._begun or not self.answer_from_cache(data):
            self.receive(data)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio.Protocol's bool | None, narrowed by aiohttp
        """Answer a client that has closed its sending half (`nc -N`) before closing ours."""
        self._ended = True
        self.break_off_body()
        self._stop_timer()
        # The client may be gone altogether, so a request that waits for a token gets little time.
        self._timer = self._loop.call_later(LINGER_SECONDS, self.force_close)
        return self._is_answering or END in self._begun

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send a response with the common header fields."""
        for name, value in COMMON_FIELDS.items():
            resp.headers.setdefault(name, value)
        resp, reset = await super().finish_response(request, resp, start_time)
        if self._malformed and not self._ended and not reset:
            await self._linger()
        return resp, reset

    async def _linger(self) -> None:
        """Drain input before closing: closing with unread bytes resets the connection and loses the response."""
        self.close()  # further input is read and dropped
        self._answered = self._request_count
        if self.transport:  # pragma: no branch - the task is cancelled otherwise
            self.transport.write_eof()
        await asyncio.sleep(LINGER_SECONDS)  # cancelled when the client hangs up

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,  # noqa: ARG002 - aiohttp's signature
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the request
    ) -> web.StreamResponse:
        """Build the response to malformed input or a defect; aiohttp's own would quote input and log both."""
        resp = self._explain(exc or TimeoutError())  # aiohttp does not pass its timeout on
        if request.writer.output_size:  # part of a response is already sent
            raise ConnectionResetError
        resp.force_close()
        return resp

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ANN401, ARG002 - aiohttp's signature
        """Report an error that aiohttp would log with a traceback before closing."""
        self._explain(kw["exc_info"])

    def _explain(self, exc: BaseException) -> web.Response:
        if isinstance(exc, HttpProcessingError | web.RequestPayloadError):
            self._refuse_malformed()
            return problem(400, "invalid_request", MALFORMED)
        self._factory.observe(Crashed(where=place_of(exc), error=type(exc).__name__))
        return problem(500, "server_error", "The broker has a bug; its log names the place.")


def problem(status: int, error: str, description: str) -> web.Response:
    """Build a JSON error response (RFC 6749 section 5.2)."""
    body = json.dumps({"error": error, "error_description": description}).encode()
    return web.Response(status=status, body=body, content_type="application/json")


class ConnectionFactory(web.Server):
    """Create the connections of one listener."""

    def __init__(
        self,
        handler: Handler,
        *,
        limits: Limits,
        find_response: FindResponse | None = None,
        observe: Observer,
    ) -> None:
        super().__init__(
            self._serve,
            request_factory=self._request,
            handler_cancellation=True,  # a client's disconnect cancels its request
        )
        self._handler = handler
        self.observe = observe
        self.limits = limits
        self._pools: list[Pool] = []
        self.budget = ByteBudget(limits.buffered, self._pools)
        self._options: dict[str, Any] = {
            "loop": self._loop,
            "find_response": find_response,
            "access_log": None,
            "auto_decompress": False,  # a small compressed body could expand without limit
            "keepalive_timeout": float(limits.idle_timeout),
            "tcp_keepalive": False,  # the idle timeout closes a dead connection much earlier
            "lingering_time": LINGER_SECONDS,
            "max_line_size": limits.line,
            "max_field_size": limits.field,
            "max_headers": limits.fields,
            "read_bufsize": READ_AHEAD,
        }

    def protocol_factory(self, pool: Pool) -> Callable[[], Connection]:
        """Return the factory of protocols for connections accepted on the address of `pool`."""
        self._pools.append(pool)
        return partial(Connection, self, pool, **self._options)

    def _request(self, message: Any, *more: Any) -> web.BaseRequest:  # noqa: ANN401 - aiohttp's, passed through
        """Create a request, parsing its target only if it is a path: aiohttp crashes on others (`GET http://xn--`).

        The target as sent stays available as `raw_path`, so that the handler can reject it.
        """
        path = message.path or ""
        if not path.startswith("/"):
            message = message._replace(path=path, url=URL("/"))
        return self._make_request(message, *more)

    def _serve(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        if request.version not in (HttpVersion11, HttpVersion10):  # the parser also accepts 0.9 and 2.0
            raise BadHttpMessage(MALFORMED)
        return self._handler(request)
