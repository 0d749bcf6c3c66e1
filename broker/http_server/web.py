"""The names of `aiohttp.web` that a low-level server needs, from the modules that define them.

`aiohttp.web` also loads applications, routing, static files, web sockets and a command line: 8 ms and 0.8 MiB in every
pod, for what nothing here uses.
"""

from aiohttp.web_exceptions import HTTPRequestEntityTooLarge
from aiohttp.web_protocol import RequestHandler, RequestPayloadError
from aiohttp.web_request import BaseRequest
from aiohttp.web_response import Response, StreamResponse
from aiohttp.web_server import Server

__all__ = [
    "BaseRequest",
    "HTTPRequestEntityTooLarge",
    "RequestHandler",
    "RequestPayloadError",
    "Response",
    "Server",
    "StreamResponse",
]
