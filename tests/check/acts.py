"""The scenes of the pictures of docs/check.md: real runs against servers on this machine, called as in the world."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from pathlib import Path
from time import time
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec

from broker.core.settings import Assertion, ClientSettings, Http, JwtBearer, KeySettings, TokenSettings
from check.far_servers import Authority
from check.scene import Report, report
from key_forms import jwk
from raw_server import answers, http, raw_server

SEED = (
    "Client Credentials requests to the Org Authorization Server must use the private_key_jwt"
    " token_endpoint_auth_method."
)
Answer = Mapping[str, object]


@dataclass(frozen=True)
class World:
    """Where hosts are: the port on this machine of each that has one. Others do not exist."""

    root: Path
    authority: Authority
    ports: dict[tuple[str, int], int] = field(default_factory=dict)

    def resolve(self, host: str, port: str | int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        """Instead of `socket.getaddrinfo`."""
        found = self.ports.get((host, int(port)), int(port) if host == "127.0.0.1" else None)
        if found is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", found))]

    @asynccontextmanager
    async def server(
        self,
        host: str,
        *,
        token: Answer,
        status: str = "200 OK",
        issuer: str = "",
        ahead: float = 0.0,
        by: str = "",
        page: bytes = b"",
        path: str = "/oauth2/v1/token",
    ) -> AsyncIterator[None]:
        """An authorization server: its metadata name `issuer`, to a token request it answers `token`.

        Its clock is `ahead` by so many seconds, its certificate is `by` somebody else, or there is only a `page`.
        """

        async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            date = f"Date: {formatdate(time() + ahead, usegmt=True)}\r\nContent-Type: application/json\r\n"
            if page:
                writer.write(page)
            elif server.requests[-1].startswith(b"POST"):
                writer.write(http(json.dumps(token).encode(), status=status, headers=date))
            else:
                metadata = {"issuer": issuer or f"https://{host}", "token_endpoint": f"https://{host}{path}"}
                writer.write(http(json.dumps(metadata).encode(), headers=date))

        authority = Authority(self.root / "elsewhere", by) if by else self.authority
        async with raw_server(script, tls=authority.context(host)) as server:
            self.ports[host, 443] = server.port
            yield

    def key(self, kid: str = "2026-11-okta") -> str:
        """A file with the same key at every run."""
        file = self.root / "var/run/secrets/token-broker/private-key.jwk"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(jwk(ec.derive_private_key(0xACE5, ec.SECP256R1()), kid=kid)))
        return str(file)

    def client(self, host: str = "acme.okta.com", **changes: Any) -> ClientSettings:
        usual: dict[str, Any] = {
            "provider": "okta",
            "issuer": f"https://{host}",
            "client_id": "0oa1b2c3d4E5f6G7h8i9",
            "private_keys": (KeySettings(file=self.key()),),
            "assertion": Assertion(audience="token_endpoint"),
        }
        return ClientSettings(**(usual | changes))


Scene = Callable[[World, AsyncExitStack], Awaitable[Report]]


def granted(*scopes: str) -> Answer:
    return {"access_token": "secret", "token_type": "Bearer", "expires_in": 3600, "scope": " ".join(scopes)}


def refused(error: str, description: str) -> Answer:
    return {"error": error, "error_description": description}


def token(client: str, *scopes: str, **changes: Any) -> TokenSettings:
    return TokenSettings(client=client, scopes=scopes, **changes)


USERS, GROUPS = "okta.users.read", "okta.groups.read"


async def good(world: World, stack: AsyncExitStack) -> Report:
    """All is good"""
    await stack.enter_async_context(world.server("acme.okta.com", token=granted(USERS, GROUPS)))
    return await report({"okta": world.client()}, {"users-api": token("okta", USERS, GROUPS)})


async def seed(world: World, stack: AsyncExitStack) -> Report:
    """The Okta app is set to a client secret"""
    server = world.server("acme.okta.com", token=refused("invalid_client", SEED), status="401 Unauthorized")
    await stack.enter_async_context(server)
    return await report({"okta": world.client()}, {"users-api": token("okta", USERS, GROUPS)})


async def clock(world: World, stack: AsyncExitStack) -> Report:
    """A clock that the broker corrects, and one that it does not"""
    late = refused("invalid_client", "The client_assertion token is expired.")
    await stack.enter_async_context(world.server("acme.okta.com", token=granted(USERS), ahead=40))
    far = world.server("acme.okta-emea.com", token=late, status="401 Unauthorized", ahead=1440)
    await stack.enter_async_context(far)
    return await report(
        {"okta": world.client(), "okta-eu": world.client("acme.okta-emea.com")},
        {"users-api": token("okta", USERS), "users-eu": token("okta-eu", USERS)},
    )


async def network(world: World, stack: AsyncExitStack) -> Report:
    """A name that does not resolve, and a proxy that wants a password"""
    proxy = await stack.enter_async_context(raw_server(answers(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")))
    world.ports["proxy.acme.example", 3128] = proxy.port
    return await report(
        {
            "keycloak": world.client("sso.acme.example", provider="keycloak"),
            "okta": world.client(http=Http(proxy="http://proxy.acme.example:3128")),
        },
        {"reports": token("keycloak", "reports.read"), "users-api": token("okta", USERS)},
    )


async def tls(world: World, stack: AsyncExitStack) -> Report:
    """A proxy signs in the server's place"""
    intercepted = world.server("acme.okta.com", token=granted(USERS), by="Acme Web Gateway CA")
    await stack.enter_async_context(intercepted)
    return await report({"okta": world.client()}, {"users-api": token("okta", USERS)})


async def portal(world: World, stack: AsyncExitStack) -> Report:
    """A login page in the server's place"""
    page = http(
        b"<title>Sign in to Acme Network</title>",
        status="302 Found",
        headers="Location: https://login.acme.example/start?from=acme.okta.com\r\nContent-Type: text/html\r\n",
    )
    await stack.enter_async_context(world.server("acme.okta.com", token={}, page=page))
    return await report({"okta": world.client()}, {"users-api": token("okta", USERS)})


async def slash(world: World, stack: AsyncExitStack) -> Report:
    """A slash at the end: in the issuer, and in the audience"""
    host, sky = "acme.eu.auth0.com", "test.sky.maskinporten.no"
    await stack.enter_async_context(world.server(host, token={}, issuer=f"https://{host}/"))
    said = "Invalid assertion. Client authentication failed. Invalid JWT claim aud. (trace_id: 5d5d5d5d5d5d5d5d)"
    refusal = world.server(sky, token=refused("invalid_grant", said), status="400 Bad Request", path="/token")
    await stack.enter_async_context(refusal)
    return await report(
        {
            "auth0": world.client(host, provider="generic"),
            "sky": world.client(sky, provider="maskinporten", assertion=Assertion(audience=f"https://{sky}/")),
        },
        {
            "orders": token("auth0", audience="https://api.acme.example"),
            "demo": token(
                "sky", "entur:skyporten.demo", grant="jwt_bearer", jwt_bearer=JwtBearer(scope_in="assertion")
            ),
        },
    )


async def scopes(world: World, stack: AsyncExitStack) -> Report:
    """Fewer scopes than asked for, and an app that requires DPoP"""
    await stack.enter_async_context(world.server("acme.okta.com", token=granted(USERS)))
    bound = refused("invalid_dpop_proof", "The DPoP proof JWT header is missing.")
    await stack.enter_async_context(world.server("acme.okta-emea.com", token=bound, status="400 Bad Request"))
    return await report(
        {"okta": world.client(), "okta-eu": world.client("acme.okta-emea.com")},
        {"users-api": token("okta", USERS, GROUPS), "users-eu": token("okta-eu", USERS)},
    )


SCENES: Mapping[str, Scene] = {
    f"check-{scene.__name__}.svg": scene for scene in (good, seed, clock, network, tls, portal, slash, scopes)
}
