"""The server's HTTP: sockets, answers, and connections that end badly on purpose."""

import ipaddress
import json
import socket
import struct
import sys
import uuid
from collections.abc import Mapping
from email.utils import formatdate
from typing import Any

from aiohttp import web

from broker.devserver.texts import ApiError, Refusal

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class _Connection(web.RequestHandler):
    """aiohttp's own answer to a malformed head repeats it, secrets included, and logs it."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        del request, exc, message
        answer = web.Response(status=status, text="The request is malformed.\n")
        answer.force_close()
        return answer


class Server(web.Server):
    """aiohttp's low-level server with connections that repeat nothing."""

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of a new connection."""
        return _Connection(self, loop=self._loop, **self._kwargs)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine's alone; a name other than `localhost` may lead anywhere."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def authority(host: str, port: int) -> str:
    """`host:port` as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def as_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:  # noqa: ANN401 - whatever JSON takes
    """An answer that no cache keeps and a terminal shows well."""
    return web.Response(
        status=status,
        body=json.dumps(content, indent=2).encode() + b"\n",
        content_type="application/json",
        headers=NO_STORE | dict(headers or {}),
    )


def refusal(said: Refusal | ApiError, headers: Mapping[str, str] | None = None) -> web.Response:
    """The server's own words."""
    return as_json(said.body(), said.status, headers)


def stamp(answer: web.Response, now: float) -> web.Response:
    """Adds the headers of every answer; aiohttp's own `Date` would be the system's, not the server's."""
    answer.headers.setdefault("Date", formatdate(now, usegmt=True))
    answer.headers.setdefault("Server", "token-broker-dev-server")
    answer.headers.setdefault("X-Okta-Request-Id", uuid.uuid4().hex)
    return answer


def close(request: web.BaseRequest, *, reset: bool) -> web.Response:
    """Ends the connection unanswered, with RST or with FIN. The response is for aiohttp, which drops it."""
    if transport := request.transport:
        if reset:
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    return web.Response()
