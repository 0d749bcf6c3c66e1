"""Reads a request body, bounded in size and time."""

import asyncio

from aiohttp import HttpVersion11

from broker.core.settings import Limits
from broker.http_server import web
from broker.http_server.connection import MALFORMED
from broker.workload_api.answers import Problem

MALFORMED_BODY = Problem(400, "invalid_request", MALFORMED)


async def read_body(request: web.BaseRequest, limits: Limits) -> bytes | Problem:
    """The complete body, or the error to answer; close the connection after an error, since bytes may be unread."""
    too_large = Problem(413, "content_too_large", f"A body may have {limits.body} bytes.")
    if (request.content_length or 0) > limits.body:
        return too_large
    if request.version == HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # aiohttp must not count the interim response as the start of the final one
    body = bytearray()
    try:
        async with asyncio.timeout(limits.body_timeout):
            async for part in request.content.iter_any():
                body += part
                if len(body) > limits.body:
                    return too_large
    except TimeoutError:
        return Problem(408, "request_timeout", f"A body may take {limits.body_timeout:g} s.")
    except web.RequestPayloadError:
        return MALFORMED_BODY
    return bytes(body)
