"""A real HTTP server on loopback around the judgement of one provider."""

import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from providers.jwts import Refused


@dataclass(frozen=True)
class Asked:
    """One token request; `form` has one value a name, `resource` is a list."""

    form: dict[str, str]
    resource: list[str]
    headers: Mapping[str, str]
    now: float


class Judge(Protocol):
    """What a provider checks. `issuer` is None where it publishes no metadata."""

    @property
    def issuer(self) -> str | None: ...
    @property
    def token_endpoint(self) -> str: ...

    def grant(self, asked: Asked) -> dict[str, Any]:
        """The body of the answer. Raises Refused."""


@dataclass
class Server:
    """What was asked of it, in order, and how often it said no."""

    base: str
    judge: Judge
    asked: list[Asked] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        url = f"{self.base}{request.path}"
        if request.method == "GET" and self.judge.issuer and url in metadata_urls(self.judge.issuer):
            return web.json_response({"issuer": self.judge.issuer, "token_endpoint": self.judge.token_endpoint})
        if request.method != "POST" or url != self.judge.token_endpoint:
            return web.Response(status=404)
        try:
            asked = await _asked(request)
            self.asked.append(asked)
            return web.json_response(self.judge.grant(asked), headers={"Cache-Control": "no-store"})
        except Refused as refused:
            self.refused.append(refused)
            return web.json_response(refused.body, status=refused.status, headers=refused.headers)


def metadata_urls(issuer: str) -> tuple[str, str]:
    """RFC 8414 section 3.1 puts its word between host and path, OpenID Connect Discovery section 4 behind both."""
    path = urlsplit(issuer).path
    origin = issuer.removesuffix(path)
    return (
        f"{origin}/.well-known/oauth-authorization-server{path.rstrip('/')}",
        f"{issuer.rstrip('/')}/.well-known/openid-configuration",
    )


@asynccontextmanager
async def serving(judge: Callable[[str], Judge]) -> AsyncIterator[Server]:
    """What `judge` makes of the server's own base URL, until the block ends."""
    app = web.Application()
    runner = web.AppRunner(app, access_log=None)
    holder: list[Server] = []

    async def answer(request: web.Request) -> web.Response:
        return await holder[0].answer(request)

    app.router.add_route("*", "/{path:.*}", answer)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        base = f"http://127.0.0.1:{runner.addresses[0][1]}"
        holder.append(Server(base, judge(base)))
        yield holder[0]
    finally:
        await runner.cleanup()


async def _asked(request: web.Request) -> Asked:
    """RFC 6749 section 3.2: a form, in which no parameter stands twice (but `resource`, RFC 8707 section 2)."""
    if request.content_type != "application/x-www-form-urlencoded" or "Authorization" in request.headers:
        raise Refused("invalid_request", "one form, and no other credential")
    form = parse_qs(await request.text(), keep_blank_values=True, strict_parsing=True)
    resource = form.pop("resource", [])
    if any(len(values) > 1 or not values[0] for values in form.values()):
        raise Refused("invalid_request", "a parameter is empty or stands twice")
    return Asked({name: values[0] for name, values in form.items()}, resource, dict(request.headers), time.time())
