"""The token endpoint: a request comes in, the rules are applied, a fault may spoil the answer."""

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
from broker.devserver.asked import Asked, read
from broker.devserver.faults import Fault, Faults
from broker.devserver.journal import Journal, Outcome
from broker.devserver.proofs import Proofs
from broker.devserver.registry import Client, Registry
from broker.devserver.texts import RefusedError

PATH = "/oauth2/v1/token"
_JTIS_KEPT = 100_000
_PER_MINUTE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What the work came to, before any fault."""

    outcome: Outcome
    status: int
    content: dict[str, Any]
    sentence: str
    headers: dict[str, str] = field(default_factory=dict)


class TokenEndpoint:
    """`lifetime`, in seconds, is that of the tokens made from now on; `now` is the clock without the ordered skew."""

    def __init__(
        self,
        *,
        registry: Registry,
        tokens: AccessTokens,
        proofs: Proofs,
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
        # No assertion lives for longer, so that a `jti` older than this cannot come back.
        self._spent: TTLCache[tuple[str, str], None] = TTLCache(_JTIS_KEPT, verify.MAX_LIFETIME, timer=now)

    async def answer(self, request: web.BaseRequest, issuer: str) -> web.Response:
        """`issuer` is the server's base URL as this request called it."""
        with self._journal.in_flight():
            asked = read(
                await request.read(),
                request.content_type,
                request.headers.get("Authorization"),
                request.headers.getall("DPoP", []),
            )
            fault = self._faults.take(asked.client_id)
            await asyncio.sleep(fault.delay)
            if fault.hang:
                self._write(asked, "hung", None, "told to hang")
                while request.transport is not None:  # noqa: ASYNC110 - aiohttp announces no client that gave up
                    await asyncio.sleep(1)
                return wire.close(request, reset=False)
            if fault.reset:
                self._write(asked, "reset", None, "told to reset the connection")
                return wire.close(request, reset=True)
            result = await self._work(asked, issuer)
            if fault.lose_answer:
                self._write(asked, "lost", None, f"told to lose the answer: {result.outcome}, {result.sentence}")
                return wire.close(request, reset=False)
            if fault.replaces:
                status = fault.answer_status or 200
                self._write(asked, "fault", status, f"told to answer {status}; its own answer: {result.outcome}")
            else:
                self._write(asked, result.outcome, result.status, result.sentence)
            return self._respond(result, fault)

    def _write(self, asked: Asked, outcome: Outcome, status: int | None, sentence: str) -> None:
        self._journal.write(asked, self._now(), outcome, status, sentence)

    async def _work(self, asked: Asked, issuer: str) -> _Result:
        try:
            content = await self._grant(asked, issuer)
        except RefusedError as error:
            said = error.refusal
            sentence = said.description if isinstance(said, texts.Refusal) else said.summary
            headers = self._nonce(asked)
            return _Result(
                outcome="refused", status=said.status, content=said.body(), sentence=sentence, headers=headers
            )
        kind = "token" if content["token_type"] == "Bearer" else "DPoP token"  # noqa: S105 - no password
        sentence = f"a {kind} for {content['expires_in']} s, scope {content['scope']}"
        headers = self._nonce(asked)
        return _Result(outcome="issued", status=200, content=content, sentence=sentence, headers=headers)

    def _nonce(self, asked: Asked) -> dict[str, str]:
        """With any answer to a proof, so that a client knows the newest one (RFC 9449 section 8.2)."""
        return {"DPoP-Nonce": self._proofs.nonce()} if asked.proofs and self._proofs.nonce_required else {}

    async def _grant(self, asked: Asked, issuer: str) -> dict[str, Any]:
        verify.grant_type(asked)
        verify.method(asked, self._registry)
        signed = verify.assertion(asked)
        client_id = verify.identity(asked, self._registry)
        client, source = self._registry[client_id]
        if source:
            verify.signature(signed, await source.keys(), source.url)
        self._spend(client_id, asked.jti)
        now = self._now() + self._faults.skew
        verify.claims(asked.claims, issuer + PATH, now)
        bound_to = self._bind(asked, client, issuer + PATH, now)
        scopes = verify.scopes(asked.form.get("scope", ""), client.scopes, self._registry.scopes())
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

    def _bind(self, asked: Asked, client: Client, url: str, now: float) -> str | None:
        """What the token is to be bound to: who sends a proof gets a DPoP token, whether the client has to or not."""
        if not asked.proofs and not client.dpop:
            return None
        return self._proofs.judge(asked.proofs, method="POST", url=url, now=now)

    def _spend(self, client_id: str, jti: str | None) -> None:
        """An authentic assertion is used up by being shown, whatever becomes of the request (RFC 7523 section 3)."""
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
            content = _instead(status)
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
        """Okta sends its limits with every answer, not only with a 429; `Reset` is epoch seconds of its own clock."""
        spent = fault.limit_resets_in is not None
        after = 60 if fault.limit_resets_in is None else fault.limit_resets_in
        limits = {
            "X-Rate-Limit-Limit": str(_PER_MINUTE),
            "X-Rate-Limit-Remaining": "0" if spent else str(_PER_MINUTE - 1),
            "X-Rate-Limit-Reset": str(math.floor(self._now() + self._faults.skew) + after),
        }
        return limits if fault.retry_after is None else limits | {"Retry-After": str(fault.retry_after)}


def _instead(status: int) -> dict[str, Any]:
    """What is said at a status when the fault does not say it itself."""
    if status == texts.RATE_LIMITED.status:
        return texts.RATE_LIMITED.body()
    return texts.SERVER_ERROR.body() if status >= texts.SERVER_ERROR.status else {}
