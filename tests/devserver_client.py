"""A client of the development server that is no part of the broker, so that neither judges itself."""

import asyncio
import base64
import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import aiohttp
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from multidict import CIMultiDict, CIMultiDictProxy

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


def ath(access_token: str) -> str:
    return base64.urlsafe_b64encode(sha256(access_token.encode()).digest()).rstrip(b"=").decode()


@dataclass
class Prover:
    """Makes DPoP proofs by its key; `nonce` goes into each. What is changed to `None` is left out."""

    url: str
    wall: Callable[[], float]
    key: AnyKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    algorithm: str = "ES256"
    method: str = "POST"
    nonce: str | None = None
    header: Mapping[str, Any] = field(default_factory=dict)

    def proof(self, **changes: object) -> str:
        claims = {
            "jti": str(uuid.uuid4()),
            "htm": self.method,
            "htu": self.url,
            "iat": int(self.wall()),
            "nonce": self.nonce,
        } | changes
        header = {"typ": "dpop+jwt", "alg": self.algorithm, "jwk": self.key.as_dict(private=False), **self.header}
        return jwt.encode(
            {name: value for name, value in header.items() if value is not None},
            {name: value for name, value in claims.items() if value is not None},
            self.key,
            algorithms=[self.algorithm],
        )


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

    async def post(self, form: object, headers: Mapping[str, str] | Sequence[tuple[str, str]] | None = None) -> Reply:
        url = self.server.token_endpoint
        fields = CIMultiDict(headers or {})
        async with self.http.post(url, data=form, headers=fields, allow_redirects=False) as answer:
            return Reply(answer.status, answer.headers, await answer.read())

    async def ask(self, **changes: object) -> Reply:
        """With an assertion whose claims are changed."""
        return await self.post(self.form(self.assertion(**changes)))

    async def prove(self, *proofs: str) -> Reply:
        """A token request with these proofs."""
        return await self.post(self.form(self.assertion()), [("DPoP", proof) for proof in proofs])

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Reply:
        async with self.http.get(self.server.issuer + path, headers=headers) as answer:
            return Reply(answer.status, answer.headers, await answer.read())
