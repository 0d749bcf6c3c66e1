"""One connection: aiohttp's low-level server with limits, and silent about what strangers send.

An `Application` cannot take another protocol class, and the protocol is where limits live and where a cached response
is written. tests/test_listener.py names what is used here that aiohttp does not document.
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

#: Bytes of a body that wait for a handler; twice as many stop the reading.
READ_AHEAD = 16384

MALFORMED = "The request is not well-formed HTTP/1.1, or its head is too large (api.limits in the configuration)."

#: Header fields of every answer that does not set them itself.
COMMON_FIELDS: Mapping[str, str] = MappingProxyType({"Cache-Control": "no-store", "Server": "token-broker"})

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(BoundedHandler):
    """One client. What it sends is neither logged nor echoed, however broken it is."""

    __slots__ = ()

    def data_received(self, data: bytes) -> None:
        """Answer the same head again at once, or look at what the client sends."""
        if data != self._head or self._begun or not self.answer_from_cache(data):
            self.receive(data)

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio.Protocol's bool | None, narrowed by aiohttp
        """Answer a client that has closed its sending half (`nc -N`) before closing ours."""
        self._ended = True
        self.break_off_body()
        self._stop_timer()
        # It may as well have gone for good: who waits for a token is not waited for long.
        self._timer = self._loop.call_later(LINGER_SECONDS, self.force_close)
        return self._is_answering or END in self._begun

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send an answer with the headers that every one of ours has."""
        for name, value in COMMON_FIELDS.items():
            resp.headers.setdefault(name, value)
        resp, reset = await super().finish_response(request, resp, start_time)
        if self._malformed and not self._ended and not reset:
            await self._linger()
        return resp, reset

    async def _linger(self) -> None:
        """Closing on bytes not yet read resets the connection, and the client would never see our answer."""
        self.close()  # what still comes is read and dropped
        self._answered = self._request_count
        if self.transport:  # pragma: no branch - or we are cancelled already
            self.transport.write_eof()
        await asyncio.sleep(LINGER_SECONDS)  # cancelled when the client hangs up

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,  # noqa: ARG002 - aiohttp's signature
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the request
    ) -> web.StreamResponse:
        """The answer to what is not HTTP, and to a bug of ours; aiohttp's would quote the one and log both."""
        resp = self._explain(exc or TimeoutError())  # which aiohttp keeps to itself
        if request.writer.output_size:  # half an answer is out
            raise ConnectionResetError
        resp.force_close()
        return resp

    def log_exception(self, *args: Any, **kw: Any) -> None:  # noqa: ANN401, ARG002 - aiohttp's signature
        """What aiohttp would log with a traceback before it hangs up."""
        self._explain(kw["exc_info"])

    def _explain(self, exc: BaseException) -> web.Response:
        if isinstance(exc, HttpProcessingError | web.RequestPayloadError):
            self._refuse_malformed()
            return problem(400, "invalid_request", MALFORMED)
        self._door.observe(Crashed(where=place_of(exc), error=type(exc).__name__))
        return problem(500, "server_error", "The broker has a bug; its log names the place.")


def problem(status: int, error: str, description: str) -> web.Response:
    """An error as JSON, in the form of RFC 6749 section 5.2."""
    body = json.dumps({"error": error, "error_description": description}).encode()
    return web.Response(status=status, body=body, content_type="application/json")


class Door(web.Server):
    """Makes the connections of one listener."""

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
            handler_cancellation=True,  # nobody waits for a client that has gone
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
            "auto_decompress": False,  # or a few bytes could become many
            "keepalive_timeout": float(limits.idle_timeout),
            "tcp_keepalive": False,  # the idle timeout ends a dead connection long before
            "lingering_time": LINGER_SECONDS,
            "max_line_size": limits.line,
            "max_field_size": limits.field,
            "max_headers": limits.fields,
            "read_bufsize": READ_AHEAD,
        }

    def entrance(self, pool: Pool) -> Callable[[], Connection]:
        """Makes a protocol for each connection accepted on the address of `pool`."""
        self._pools.append(pool)
        return partial(Connection, self, pool, **self._options)

    def _request(self, message: Any, *more: Any) -> web.BaseRequest:  # noqa: ANN401 - aiohttp's, passed through
        """A request whose URL is only looked at when it is a path: aiohttp dies of some others (`GET http://xn--`).

        What was sent stays readable as `raw_path`, for the handler to refuse.
        """
        path = message.path or ""
        if not path.startswith("/"):
            message = message._replace(path=path, url=URL("/"))
        return self._make_request(message, *more)

    def _serve(self, request: web.BaseRequest) -> Awaitable[web.StreamResponse]:
        if request.version not in (HttpVersion11, HttpVersion10):  # the parser takes 0.9 and 2.0 for well-formed
            raise BadHttpMessage(MALFORMED)
        return self._handler(request)
