"""What often stands before Keycloak: a reverse proxy, which says the time where Keycloak does not (`Date`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
from aiohttp import web

from keycloak.server import REALM, Keycloak


@asynccontextmanager
async def in_front(server: Keycloak) -> AsyncIterator[str]:
    """The realm's issuer at the proxy. It passes `Host` on, so Keycloak takes the proxy's address for its own."""
    async with aiohttp.ClientSession(f"http://{server.address}") as upstream:

        async def forward(request: web.BaseRequest) -> web.Response:
            async with upstream.request(
                request.method, request.path_qs, headers=request.headers, data=await request.read()
            ) as answer:
                return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

        runner = web.ServerRunner(web.Server(forward))
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            host, port = runner.addresses[0]
            yield f"http://{host}:{port}/realms/{REALM}"
        finally:
            await runner.cleanup()
