"""The least that aiohttp can answer with: one body, from a handler that looks at nothing.

Arguments: port, file with the body, `application` or `server` (its low-level API), `uvloop` or `asyncio`.
"""

import asyncio
import sys
from pathlib import Path

from aiohttp import web

port, body, api, loop = int(sys.argv[1]), Path(sys.argv[2]).read_bytes(), sys.argv[3], sys.argv[4]


async def answer(_: web.BaseRequest) -> web.Response:
    """Always the same."""
    return web.Response(body=body, content_type="application/json")


async def main() -> None:
    """Serve until killed."""
    runner: web.AppRunner | web.ServerRunner
    if api == "application":
        app = web.Application()
        app.router.add_get("/v1/token", answer)
        runner = web.AppRunner(app, access_log=None)
    else:
        runner = web.ServerRunner(web.Server(answer, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if loop == "uvloop":
    import uvloop

    uvloop.run(main())
else:
    asyncio.run(main())
