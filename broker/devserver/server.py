"""The listening server and its routes."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from broker.devserver import controls, endpoint, texts, users, wire
from broker.devserver.access import AccessTokens
from broker.devserver.endpoint import DevTokenEndpoint
from broker.devserver.faults import Faults
from broker.devserver.journal import Journal, Seen
from broker.devserver.proofs import ProofVerifier
from broker.devserver.received import ALGORITHMS
from broker.devserver.registry import Client, Registry
from broker.devserver.users import Users

KEYS = "/oauth2/v1/keys"
METADATA = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
_METHODS = {
    endpoint.PATH: {"POST"},
    KEYS: {"GET"},
    users.PATH: {"GET"},
    **{path: {"GET"} for path in METADATA},
    **controls.PATHS,
}
_EVERY_ADDRESS = ("", "0.0.0.0", "::")  # noqa: S104 - compared, not bound
_CLOSING = 0.1  # seconds for requests in flight at shutdown


class DevServer:
    """An authorization server in this process: `async with DevServer(clients=[…]) as server`.

    `now` is the clock (epoch seconds) for all checks and for `Date`; `lifetime` of its tokens in seconds. `listen` is
    host and port, port 0 for any free one. A host that is not loopback raises ValueError unless `anywhere`.
    `on_request` is called after every token request. `faults` injects faults, `journal` records requests. `proofs`
    verifies DPoP proofs at the token endpoint, where Okta requires a nonce, `api_proofs` those at the API.
    """

    def __init__(
        self,
        clients: Iterable[Client] = (),
        *,
        lifetime: float = 3600,
        now: Callable[[], float] = time.time,
        listen: tuple[str, int] = ("127.0.0.1", 0),
        anywhere: bool = False,
        on_request: Callable[[Seen], None] = lambda _: None,
    ) -> None:
        self.host, self.port = listen
        if not anywhere and not self.is_loopback:
            msg = f"{self.host!r} is not a loopback address"
            raise ValueError(msg)
        self.faults = Faults()
        self.journal = Journal(on_request)
        self.proofs = ProofVerifier(now, nonce_required=True)
        self.api_proofs = ProofVerifier(now, nonce_required=False)
        self._now = now
        self._tokens = AccessTokens()
        self._users = Users(self._tokens, self.api_proofs)
        self._registry = Registry(now)
        self._endpoint = DevTokenEndpoint(
            registry=self._registry,
            tokens=self._tokens,
            proofs=self.proofs,
            faults=self.faults,
            journal=self.journal,
            now=now,
            lifetime=lifetime,
        )
        self._controls = controls.Controls(
            faults=self.faults, journal=self.journal, proofs=self.proofs, api_proofs=self.api_proofs
        )
        for client in clients:
            self._registry.register(client)

    @property
    def issuer(self) -> str:
        """The base URL; also the issuer in the metadata if the request uses this host."""
        host = "localhost" if self.host in _EVERY_ADDRESS else self.host
        return f"http://{wire.authority(host, self.port)}"

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return wire.is_loopback(self.host)

    @property
    def token_endpoint(self) -> str:
        """The token endpoint below `issuer`."""
        return self.issuer + endpoint.PATH

    @property
    def lifetime(self) -> float:
        """Lifetime of new tokens, in seconds."""
        return self._endpoint.lifetime

    @lifetime.setter
    def lifetime(self, seconds: float) -> None:
        self._endpoint.lifetime = seconds

    def register(
        self,
        client_id: str,
        keys: Mapping[str, object] | Path | str | None,
        scopes: Iterable[str] | None = None,
        *,
        dpop: bool = False,
    ) -> None:
        """Add or replace a client: see `Client`. Raises ValueError if `keys` is not a JWKS."""
        granted = None if scopes is None else frozenset(scopes)
        self._registry.register(Client(client_id=client_id, keys=keys, scopes=granted, dpop=dpop))

    async def __aenter__(self) -> Self:
        """Start listening. Raises OSError if the address cannot be bound."""
        self._runner = web.ServerRunner(wire.Server(self._handle, access_log=None), shutdown_timeout=_CLOSING)
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self.host, self.port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def _clock(self) -> float:
        return self._now() + self.faults.skew

    async def _handle(self, request: web.BaseRequest) -> web.Response:
        try:
            answer = await self._route(request)
        except web.HTTPRequestEntityTooLarge:
            answer = wire.refusal(texts.TOO_LARGE)
        except (web.RequestPayloadError, ConnectionError):
            answer = wire.refusal(texts.BAD_REQUEST)
        except Exception as error:  # noqa: BLE001 - no traceback may leave; the journal records the place
            self.journal.crashed(error)
            answer = wire.refusal(texts.SERVER_ERROR)
        return wire.stamp(answer, self._clock())

    async def _route(self, request: web.BaseRequest) -> web.Response:
        path, host = request.path, request.headers.get("Host") or wire.authority(self.host, self.port)
        issuer = f"http://{host}"
        if path not in _METHODS or (path in controls.PATHS and not controls.is_local(request.remote, host)):
            return wire.refusal(texts.NOT_FOUND)
        if request.method not in _METHODS[path]:
            return wire.refusal(texts.METHOD, {"Allow": ", ".join(sorted(_METHODS[path]))})
        if path == endpoint.PATH:
            return await self._endpoint.answer(request, issuer)
        if path in controls.PATHS:
            return await controls.answer(request, self._controls)
        if path == users.PATH:
            return self._users.answer(request, issuer, self._clock())
        return wire.as_json(self._tokens.jwks() if path == KEYS else _metadata(issuer))


def _metadata(issuer: str) -> dict[str, Any]:
    """Authorization server metadata (RFC 8414 section 2)."""
    return {
        "issuer": issuer,
        "token_endpoint": issuer + endpoint.PATH,
        "jwks_uri": issuer + KEYS,
        "response_types_supported": [],
        "grant_types_supported": [texts.GRANT_TYPES],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "token_endpoint_auth_signing_alg_values_supported": list(ALGORITHMS),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
    }
