"""The body of a request, bounded in size and time."""

import asyncio

from aiohttp import HttpVersion11, web

from broker.handout.answers import Problem
from broker.listener.connection import MALFORMED

#: Bytes a body may have.
LIMIT = 64 * 1024
#: Seconds it may take from the moment it is wanted.
SECONDS = 10.0

TOO_LARGE = Problem(413, "content_too_large", f"A body may have {LIMIT} bytes.")
TOO_SLOW = Problem(408, "request_timeout", f"A body may take {SECONDS:g} s.")
BROKEN = Problem(400, "invalid_request", MALFORMED)


async def read_body(request: web.BaseRequest) -> bytes | Problem:
    """The whole body, or why it cannot be had; after that the connection has to close."""
    if (request.content_length or 0) > LIMIT:
        return TOO_LARGE
    if request.version == HttpVersion11 and request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # the final answer is still to come
    body = bytearray()
    try:
        async with asyncio.timeout(SECONDS):
            async for part in request.content.iter_any():
                body += part
                if len(body) > LIMIT:
                    return TOO_LARGE
    except TimeoutError:
        return TOO_SLOW
    except web.RequestPayloadError:
        return BROKEN
    return bytes(body)
