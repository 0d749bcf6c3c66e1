"""The token endpoint: verify a request, answer it, and inject a fault if one is pending."""

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from cachetools import TTLCache

from broker.devserver import texts, verify, wire
from broker.devserver.access import AccessTokens
from broker.devserver.faults import Fault, Faults
from broker.devserver.journal import Journal, Outcome
from broker.devserver.proofs import ProofVerifier
from broker.devserver.received import ReceivedRequest, read
from broker.devserver.registry import Client, Registry
from broker.devserver.texts import RefusedError

PATH = "/oauth2/v1/token"
_JTIS_KEPT = 100_000
_PER_MINUTE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """The answer before any fault."""

    outcome: Outcome
    status: int
    content: dict[str, Any]
    sentence: str
    headers: dict[str, str] = field(default_factory=dict)


class DevTokenEndpoint:
    """Answers token requests. `lifetime` of new tokens in seconds; `now` is the clock without the injected skew."""

    def __init__(
        self,
        *,
        registry: Registry,
        tokens: AccessTokens,
        proofs: ProofVerifier,
        faults: Faults,
        journal: Journal,
        now: Callable[[], float],
        lifetime: float,
    ) -> None:
        self.lifetime = lifetime
        self._registry = registry
        self._tokens = tokens
        self._proofs = proofs
        self._faults = faults
        self._journal = journal
        self._now = now
        # No assertion lives longer, so an older `jti` needs no replay check.
        self._spent: TTLCache[tuple[str, str], None] = TTLCache(_JTIS_KEPT, verify.MAX_LIFETIME, timer=now)

    async def answer(self, request: web.BaseRequest, issuer: str) -> web.Response:
        """Answer one token request. `issuer` is the server's base URL as addressed by the request."""
        with self._journal.in_flight():
            received = read(
                await request.read(),
                request.content_type,
                request.headers.get("Authorization"),
                request.headers.getall("DPoP", []),
            )
            fault = self._faults.take(received.client_id)
            await asyncio.sleep(fault.delay)
            if fault.hang:
                self._write(received, "hung", None, "told to hang")
                while request.transport is not None:  # noqa: ASYNC110 - aiohttp has no event for a client that disconnects
                    await asyncio.sleep(1)
                return wire.close(request, reset=False)
            if fault.reset:
                self._write(received, "reset", None, "told to reset the connection")
                return wire.close(request, reset=True)
            result = await self._work(received, issuer)
            if fault.lose_answer:
                self._write(received, "lost", None, f"told to lose the answer: {result.outcome}, {result.sentence}")
                return wire.close(request, reset=False)
            if fault.replaces:
                status = fault.answer_status or 200
                self._write(received, "fault", status, f"told to answer {status}; its own answer: {result.outcome}")
            else:
                self._write(received, result.outcome, result.status, result.sentence)
            return self._respond(result, fault)

    def _write(self, received: ReceivedRequest, outcome: Outcome, status: int | None, sentence: str) -> None:
        self._journal.write(received, self._now(), outcome, status, sentence)

    async def _work(self, received: ReceivedRequest, issuer: str) -> _Result:
        try:
            content = await self._grant(received, issuer)
        except RefusedError as error:
            said = error.refusal
            sentence = said.description if isinstance(said, texts.Refusal) else said.summary
            headers = self._nonce(received)
            return _Result(
                outcome="refused", status=said.status, content=said.body(), sentence=sentence, headers=headers
            )
        kind = "token" if content["token_type"] == "Bearer" else "DPoP token"  # noqa: S105 - no password
        sentence = f"a {kind} for {content['expires_in']} s, scope {content['scope']}"
        headers = self._nonce(received)
        return _Result(outcome="issued", status=200, content=content, sentence=sentence, headers=headers)

    def _nonce(self, received: ReceivedRequest) -> dict[str, str]:
        """The header `DPoP-Nonce`, sent with every answer to a proof (RFC 9449 section 8.2)."""
        return {"DPoP-Nonce": self._proofs.nonce()} if received.proofs and self._proofs.nonce_required else {}

    async def _grant(self, received: ReceivedRequest, issuer: str) -> dict[str, Any]:
        verify.grant_type(received)
        verify.method(received, self._registry)
        signed = verify.assertion(received)
        client_id = verify.identity(received, self._registry)
        client, source = self._registry[client_id]
        if source:
            verify.signature(signed, await source.keys(), source.url)
        self._spend(client_id, received.jti)
        now = self._now() + self._faults.skew
        verify.claims(received.claims, issuer + PATH, now)
        bound_to = self._bind(received, client, issuer + PATH, now)
        scopes = verify.scopes(received.form.get("scope", ""), client.scopes, self._registry.scopes())
        return {
            "token_type": "DPoP" if bound_to else "Bearer",
            "expires_in": int(self.lifetime),
            "access_token": self._tokens.mint(
                issuer=issuer,
                client_id=client_id,
                scopes=scopes,
                lifetime=self.lifetime,
                now=now,
                bound_to=bound_to,
            ),
            "scope": " ".join(scopes),
        }

    def _bind(self, received: ReceivedRequest, client: Client, url: str, now: float) -> str | None:
        """Return the key thumbprint to bind the token to. A proof always binds the token, even if optional."""
        if not received.proofs and not client.dpop:
            return None
        return self._proofs.judge(received.proofs, method="POST", url=url, now=now)

    def _spend(self, client_id: str, jti: str | None) -> None:
        """Consume the `jti` of an authentic assertion, even if the request is rejected later (RFC 7523 section 3)."""
        if jti is None:
            return
        if (client_id, jti) in self._spent:
            raise RefusedError(texts.REPLAYED)
        self._spent[client_id, jti] = None

    def _respond(self, result: _Result, fault: Fault) -> web.Response:
        status, content = result.status, result.content
        if result.outcome == "issued":
            content = {name: value for name, value in (content | fault.answer).items() if name not in fault.omit}
        if fault.replaces:
            status = fault.answer_status or 200
            content = _default_body(status)
        body = content if fault.body is None else fault.body
        kind = "text/html" if isinstance(body, str) else "application/json"
        text = body if isinstance(body, str) else json.dumps(body) if body else ""
        headers = {"Content-Type": kind, **wire.NO_STORE, **self._limits(fault)}
        if not fault.replaces:
            headers |= result.headers
        answer = web.Response(status=status, body=text.encode().ljust(fault.size), headers=headers)
        answer.headers.update(fault.headers)
        return answer

    def _limits(self, fault: Fault) -> dict[str, str]:
        """Return the rate limit headers, sent with every answer; `Reset` is epoch seconds of the server's clock."""
        spent = fault.limit_resets_in is not None
        after = 60 if fault.limit_resets_in is None else fault.limit_resets_in
        limits = {
            "X-Rate-Limit-Limit": str(_PER_MINUTE),
            "X-Rate-Limit-Remaining": "0" if spent else str(_PER_MINUTE - 1),
            "X-Rate-Limit-Reset": str(math.floor(self._now() + self._faults.skew) + after),
        }
        return limits if fault.retry_after is None else limits | {"Retry-After": str(fault.retry_after)}


def _default_body(status: int) -> dict[str, Any]:
    """Return Okta's body for a status, for a fault without a body of its own."""
    if status == texts.RATE_LIMITED.status:
        return texts.RATE_LIMITED.body()
    return texts.SERVER_ERROR.body() if status >= texts.SERVER_ERROR.status else {}
