"""Writes cached responses before aiohttp sees the request, and leaves everything else to aiohttp."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias, cast

from broker.http_server import web
from broker.http_server.peer import Peer, peer_of

#: The bytes of the whole answer as it is now; `None`: the request must go through aiohttp.
Response: TypeAlias = Callable[[], bytes | None]
#: Finds the cached response to the bytes that a peer sent; `None` unless they are one whole head that has one.
FindResponse: TypeAlias = Callable[[bytes, Peer], Response | None]


class CachingHandler(web.RequestHandler):
    """aiohttp's connection with a response cache in front of its parser."""

    __slots__ = ("_find_response", "_head", "_peer", "_response")

    def __init__(self, *arguments: Any, find_response: FindResponse | None, **options: Any) -> None:  # noqa: ANN401 - aiohttp's, passed through
        super().__init__(*arguments, **options)
        self._find_response = find_response
        self._peer: Peer | None = None
        # The head that was answered last, if that was from the cache: the next one is often the same.
        self._head = b""
        self._response: Response | None = None

    def answer_from_cache(self, head: bytes) -> bool:
        """Write the cached response to a whole head. False if there is none: aiohttp must have the head.

        To be called only while no request is in flight and the parser holds no part of one, so that an answer can
        neither overtake another nor belong to the middle of something.
        """
        if self._find_response is None or self.transport is None or self._close or self.writing_paused:
            return False
        try:
            answer = self._cached_answer(self._find_response, head)
        except Exception as exc:  # noqa: BLE001 - a bug, which must not cost the connection
            self.log_exception("Defect in the response cache", exc_info=exc)
            answer = None
        if answer is None:
            self._head, self._response = b"", None
            return False
        self._next_keepalive_close_time = self._loop.time() + self.keepalive_timeout
        cast("asyncio.WriteTransport", self.transport).write(answer)
        return True

    def _cached_answer(self, find_response: FindResponse, head: bytes) -> bytes | None:
        if head != self._head:
            self._peer = self._peer or peer_of(self)
            self._response = find_response(head, self._peer)
            self._head = head
        return self._response() if self._response else None
