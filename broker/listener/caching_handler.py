"""Writes cached responses before aiohttp sees the request, and leaves everything else to aiohttp."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from broker.listener import web
from broker.listener.peer import Peer, peer_of

#: The bytes of the whole answer as it is now; `None`: the request must go through aiohttp.
Response: TypeAlias = Callable[[], bytes | None]
#: Finds the cached response to the bytes that a peer sent; `None` unless they are one whole head that has one.
FindResponse: TypeAlias = Callable[[bytes, Peer], Response | None]


class CachingHandler(web.RequestHandler):
    """aiohttp's connection with a response cache in front of its parser.

    The cache is asked only while no request is in flight and the parser holds no part of one, so that an answer can
    neither overtake another nor belong to the middle of something.
    """

    __slots__ = ("_find_response", "_head", "_head_lines", "_parser_idle", "_peer", "_response")

    def __init__(self, *arguments: Any, find_response: FindResponse | None, **options: Any) -> None:  # noqa: ANN401 - aiohttp's, passed through
        super().__init__(*arguments, **options)
        self._find_response = find_response
        self._peer: Peer | None = None
        # The head that was answered from the cache last: the next one is often the same.
        self._head = b""
        self._response: Response | None = None
        self._parser_idle = True
        # Of what the idle parser was given last, if it can be a single head.
        self._head_lines = 0

    def answer_from_cache(self, data: bytes) -> bool:
        """Write the cached response to `data`. False if there is none: aiohttp must have it.

        Once a request came in pieces, pipelined or with a body, all that follows on the connection is aiohttp's.
        """
        if not self._parser_idle:
            self._head_lines = 0
            return False
        if self.transport and not self._close and not self.writing_paused:
            try:
                answer = self._cached_answer(data)
            except Exception as exc:  # noqa: BLE001 - a bug, which must not cost the connection
                self.log_exception("Defect in the response cache", exc_info=exc)
                answer = None
            if answer:
                self._next_keepalive_close_time = self._loop.time() + self.keepalive_timeout
                cast("asyncio.WriteTransport", self.transport).write(answer)
                return True
        self._head, self._response = b"", None
        self._parser_idle = False
        self._head_lines = data.count(b"\n") if data.endswith(b"\r\n\r\n") else 0
        return False

    def _cached_answer(self, data: bytes) -> bytes | None:
        if self._find_response is None:
            return None
        if data != self._head:
            self._peer = self._peer or peer_of(self)
            self._response = self._find_response(data, self._peer)
            self._head = data
        return self._response() if self._response else None

    def note_answered(self, request: web.BaseRequest, resp: web.StreamResponse) -> None:
        """Note an answer of aiohttp's. If all that it was given was this request's head, its parser is idle again."""
        one_head = self._head_lines == len(request.raw_headers) + 2 and not request.can_read_body
        self._parser_idle = one_head and bool(resp.keep_alive)
