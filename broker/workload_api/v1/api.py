"""The `/v1` routes: `GET /v1/tokens/{name}`, `POST …/proof` and `POST …/rejected`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from broker.core.events import HandedOut, Observer, Refused
from broker.core.tokens import Token
from broker.http_server import web
from broker.refresh.store import Store
from broker.workload_api.answers import Form, Problem, success
from broker.workload_api.callers.registry import Callers, Denied
from broker.workload_api.forced import ForcedRefresh
from broker.workload_api.proofs import PROOF_AS_JSON, Proofs, parse_proof_request
from broker.workload_api.routes import DEFAULT, PROOF, REJECTED, Route
from broker.workload_api.tokens import Tokens, may_be_answered, unknown_token
from broker.workload_api.v1.query import NO_PARAMETERS, Query, invalid, parse_query
from broker.workload_api.v1.report import parse_report

NO_QUERY: Final = invalid("There is no query parameter here")
NOT_ACCEPTABLE: Final = Problem(406, "not_acceptable", "A token comes as application/json or text/plain.")
#: Clients would send a plain-text token as Bearer, but a DPoP token is valid only with a proof.
DPOP_NEEDS_PROOF: Final = Problem(
    406,
    "not_acceptable",
    "This is a DPoP token, which is of no use by itself, so it comes as application/json only. "
    "POST /v1/tokens/NAME/proof gives it with a proof for one request.",
)
AUTHENTICATE: Final = Problem(
    401,
    "invalid_caller",
    "A caller's secret is needed, and is missing or wrong. Send one header, Authorization: Bearer, with the secret in "
    "the caller's file; api.callers in the broker's configuration names it.",
    reason="caller",
    headers={"WWW-Authenticate": 'Bearer realm="token-broker"'},
)


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """A request to one of the `/v1` routes."""

    method: str
    route: Route
    name: str
    query: str
    authorization: Sequence[str] = field(repr=False)  # contains the caller's secret
    #: The response form, `None` if `Accept` permits neither.
    form: Form | None
    #: The peer's user id on a Unix socket.
    uid: int | None


class V1:
    """Authenticates and authorizes callers of the `/v1` routes and answers their requests."""

    def __init__(
        self,
        tokens: Tokens,
        store: Store,
        callers: Callers,
        forced: ForcedRefresh,
        proofs: Proofs,
        *,
        observe: Observer,
    ) -> None:
        self._tokens = tokens
        self._store = store
        self._callers = callers
        self._forced = forced
        self._proofs = proofs
        self._observe = observe

    async def answer(self, request: ApiRequest, body: bytes) -> web.Response | Problem:
        """Authenticate the caller, authorize it, and answer."""
        permitted = self.permit(request)
        if isinstance(permitted, Problem):
            if permitted.reason:
                self._observe(Refused(reason=permitted.reason))
            return permitted
        name, caller = permitted
        if request.route is REJECTED:
            return self._rejected(name, request.query, body, caller)
        if request.route is PROOF:
            return await self._prove(name, request, body, caller)
        return await self._serve_token(name, request, caller)

    def permit(self, request: ApiRequest) -> tuple[str, str] | Problem:
        """The names of the requested token and of the caller, or the error if the caller may not use the token."""
        caller = self._callers.identify(bearer(request.authorization), request.uid)
        if isinstance(caller, Denied):
            return AUTHENTICATE
        name = self._tokens.default if request.route is DEFAULT else request.name
        if name is None:
            why = "There are several tokens and none is called default; ask by name"
            return unknown_token(why, self._callers.names(caller))
        if name not in self._tokens:
            return unknown_token("There is no such token", self._callers.names(caller))
        denied = self._callers.permits(name, caller)
        if denied is None:
            return name, caller
        if denied.authenticate:
            return AUTHENTICATE
        why = f"This caller is not on the list of {name}; tokens.{name}.callers in the configuration has it."
        return Problem(403, "forbidden", why, reason="permission")

    async def _serve_token(self, name: str, request: ApiRequest, caller: str) -> web.Response | Problem:
        if request.form is None:
            return NOT_ACCEPTABLE
        query = parse_query(request.query) if request.query else NO_PARAMETERS
        if isinstance(query, Problem):
            return query
        token = await self._find(name, query, caller)
        if isinstance(token, Problem):
            return token
        if not may_be_answered(request.form, token):
            return DPOP_NEEDS_PROOF
        if request.method == "GET":
            self._observe(HandedOut(token=name, caller=caller))
        return success(request.form, self._tokens.encode(request.form, token))

    async def _find(self, name: str, query: Query, caller: str) -> Token | Problem:
        """The token after the waits that `query` permits, or the current one if waiting for `min_ttl` timed out."""
        token = await self._tokens.obtain(name, query.wait)
        if isinstance(token, Problem) or query.min_ttl is None:
            return token
        longest = math.floor(token.lifetime * 9 / 10)
        if query.min_ttl > longest:
            return invalid(f"The query parameter min_ttl is at most {longest}s here, 90 % of the token's lifetime")
        await self._forced.ensure_lifetime(name, query.min_ttl, caller=caller, wait=query.wait)
        return self._tokens.find(name)

    def _rejected(self, name: str, query: str, body: bytes, caller: str) -> web.Response | Problem:
        """Handle a report of a rejected token. The response does not reveal whether it was the current one."""
        if query:
            return NO_QUERY
        report = parse_report(body)
        if isinstance(report, Problem):
            return report
        token = self._store.get(name)
        if token and report.matches(token.access_token):
            self._forced.report_rejected(name, token, caller=caller)
        return web.Response(status=202)

    async def _prove(self, name: str, request: ApiRequest, body: bytes, caller: str) -> web.Response | Problem:
        """The token together with a proof for one request: neither works alone."""
        if request.form != "json":
            return PROOF_AS_JSON
        if request.query:
            return NO_QUERY
        proof_request = parse_proof_request(body)
        if isinstance(proof_request, Problem):
            return proof_request
        token = await self._tokens.obtain(name)
        if isinstance(token, Problem):
            return token
        answer = await self._proofs.answer(name, token, proof_request)
        if not isinstance(answer, Problem):
            self._observe(HandedOut(token=name, caller=caller))
        elif answer.reason:
            self._observe(Refused(reason=answer.reason))
        return answer


def bearer(authorization: Sequence[str]) -> str | None:
    """The Bearer credential (RFC 6750 section 2.1); `None` without the field, empty if the field is malformed."""
    if not authorization:
        return None
    scheme, _, secret = authorization[0].partition(" ")
    return secret.strip(" ") if scheme.lower() == "bearer" and len(authorization) == 1 else ""
