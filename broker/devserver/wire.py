"""HTTP details: sockets, answers, and connections aborted on purpose."""

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
    """Replaces aiohttp's answer to a malformed request head, which quotes and logs the head with its secrets."""

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
    """aiohttp's low-level server with `_Connection` as its protocol."""

    def __call__(self) -> web.RequestHandler:
        """Make the protocol of a new connection."""
        return _Connection(self, loop=self._loop, **self._kwargs)


def is_loopback(host: str) -> bool:
    """Whether a host is a loopback address or `localhost`."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def authority(host: str, port: int) -> str:
    """`host:port` as in a URL."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def as_json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:  # noqa: ANN401 - whatever JSON takes
    """Return an indented JSON answer with `Cache-Control: no-store`."""
    return web.Response(
        status=status,
        body=json.dumps(content, indent=2).encode() + b"\n",
        content_type="application/json",
        headers=NO_STORE | dict(headers or {}),
    )


def refusal(said: Refusal | ApiError, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return the answer for an error."""
    return as_json(said.body(), said.status, headers)


def stamp(answer: web.Response, now: float) -> web.Response:
    """Add the common headers. aiohttp's `Date` would follow the system clock, not the server's."""
    answer.headers.setdefault("Date", formatdate(now, usegmt=True))
    answer.headers.setdefault("Server", "token-broker-dev-server")
    answer.headers.setdefault("X-Okta-Request-Id", uuid.uuid4().hex)
    return answer


def close(request: web.BaseRequest, *, reset: bool) -> web.Response:
    """Close the connection unanswered, with RST or FIN. aiohttp discards the returned response."""
    if transport := request.transport:
        if reset:
            linger = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    return web.Response()
