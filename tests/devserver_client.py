"""A client of the development server that is no part of the broker, so that neither judges itself."""

import asyncio
import base64
import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from multidict import CIMultiDictProxy

from broker.devserver import DevServer

JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
SCOPE = "okta.users.read"
AnyKey = ECKey | RSAKey | OKPKey | OctKey


@dataclass(frozen=True)
class Reply:
    status: int
    headers: CIMultiDictProxy[str]
    raw: bytes

    @property
    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.raw)
        return found

    @property
    def said(self) -> tuple[int, str, str]:
        return self.status, self.body["error"], self.body["error_description"]

    @property
    def sentence(self) -> str:
        return str(self.body["error_description"])


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():
            await asyncio.sleep(0.005)


def public(*keys: AnyKey, **members: str) -> dict[str, object]:
    return {"keys": [{**key.as_dict(private=False), **members} for key in keys]}


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


@dataclass
class Asker:
    """One client with one key; `wall` is its clock. A claim or field changed to `None` is left out."""

    http: aiohttp.ClientSession
    server: DevServer
    key: AnyKey
    wall: Callable[[], float]
    client_id: str = "app"
    algorithm: str = "ES256"
    header: Mapping[str, Any] = field(default_factory=dict)

    def assertion(self, **changes: object) -> str:
        now = int(self.wall())
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.server.token_endpoint,
            "iat": now,
            "exp": now + 60,
            "jti": str(uuid.uuid4()),
        } | changes
        header = {"alg": self.algorithm, "kid": self.key.kid, **self.header}
        return jwt.encode(
            {name: value for name, value in header.items() if value is not None},
            {name: value for name, value in claims.items() if value is not None},
            self.key,
            algorithms=[self.algorithm],
        )

    def form(self, assertion: str, **changes: str | None) -> dict[str, str]:
        fields = {
            "grant_type": "client_credentials",
            "scope": SCOPE,
            "client_assertion_type": JWT_BEARER,
            "client_assertion": assertion,
        } | changes
        return {name: value for name, value in fields.items() if value is not None}

    async def post(self, form: object, headers: Mapping[str, str] | None = None) -> Reply:
        url = self.server.token_endpoint
        async with self.http.post(url, data=form, headers=headers, allow_redirects=False) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def ask(self, **changes: object) -> Reply:
        """With an assertion whose claims are changed."""
        return await self.post(self.form(self.assertion(**changes)))

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        async with self.http.get(self.server.issuer + path, headers=headers) as answer:
            return Reply(answer.status, answer.headers, await answer.read())
