"""The server that the broker is measured against: what aiohttp costs with its client and its server imported.

Arguments: the port, and `uvloop` to run on that loop.
"""

import asyncio
import sys

import aiohttp
from aiohttp import web


async def ready(_: web.Request) -> web.Response:
    """Always."""
    return web.Response(text=f"aiohttp {aiohttp.__version__}\n")


app = web.Application()
app.router.add_get("/readyz", ready)
loop = asyncio.new_event_loop()
if sys.argv[2:] == ["uvloop"]:
    import uvloop

    loop = uvloop.new_event_loop()
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, loop=loop)
