"""The workload API's own face: `GET /v1/tokens/{name}`, and `POST` of `…/proof` and `…/rejected` below it."""

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
from broker.workload_api.forced import Forced
from broker.workload_api.proofs import PROOF_AS_JSON, Proofs, parse_wanted
from broker.workload_api.routes import DEFAULT, PROOF, REJECTED, Route
from broker.workload_api.tokens import Tokens, may_be_answered, unknown
from broker.workload_api.v1.query import NOTHING, Query, invalid, parse_query
from broker.workload_api.v1.report import parse_report

NO_QUERY: Final = invalid("There is no query parameter here")
NOT_ACCEPTABLE: Final = Problem(406, "not_acceptable", "A token comes as application/json or text/plain.")
#: A bare token would be sent as Bearer, which is what it is bound to a key against.
BARE: Final = Problem(
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
class Asked:
    """A request for one of the `/v1` routes. `form` is `None` when it takes neither, `uid` except on a Unix socket."""

    method: str
    route: Route
    name: str
    query: str
    authorization: Sequence[str] = field(repr=False)  # has the caller's secret
    form: Form | None
    uid: int | None


class V1:
    """Knows who asks, and gives what that caller may have."""

    def __init__(
        self,
        tokens: Tokens,
        store: Store,
        callers: Callers,
        forced: Forced,
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

    async def answer(self, asked: Asked, body: bytes) -> web.Response | Problem:
        """Identify, permit, hand out."""
        permitted = self.permit(asked)
        if isinstance(permitted, Problem):
            if permitted.reason:
                self._observe(Refused(reason=permitted.reason))
            return permitted
        name, caller = permitted
        if asked.route is REJECTED:
            return self._rejected(name, asked.query, body, caller)
        if asked.route is PROOF:
            return await self._prove(name, asked, body, caller)
        return await self._hand_out(name, asked, caller)

    def permit(self, asked: Asked) -> tuple[str, str] | Problem:
        """The name of the token that is meant and the caller, if the caller may have it."""
        caller = self._callers.identify(bearer(asked.authorization), asked.uid)
        if isinstance(caller, Denied):
            return AUTHENTICATE
        name = self._tokens.default if asked.route is DEFAULT else asked.name
        if name is None:
            why = "There are several tokens and none is called default; ask by name"
            return unknown(why, self._callers.names(caller))
        if name not in self._tokens:
            return unknown("There is no such token", self._callers.names(caller))
        denied = self._callers.permits(name, caller)
        if denied is None:
            return name, caller
        if denied.authenticate:
            return AUTHENTICATE
        why = f"This caller is not on the list of {name}; tokens.{name}.callers in the configuration has it."
        return Problem(403, "forbidden", why, reason="permission")

    async def _hand_out(self, name: str, asked: Asked, caller: str) -> web.Response | Problem:
        if asked.form is None:
            return NOT_ACCEPTABLE
        query = parse_query(asked.query) if asked.query else NOTHING
        if isinstance(query, Problem):
            return query
        token = await self._find(name, query, caller)
        if isinstance(token, Problem):
            return token
        if not may_be_answered(asked.form, token):
            return BARE
        if asked.method == "GET":
            self._observe(HandedOut(token=name, caller=caller))
        return success(asked.form, self._tokens.encode(asked.form, token))

    async def _find(self, name: str, query: Query, caller: str) -> Token | Problem:
        """The token after the waits that `query` permits; the current one if `min_ttl` was waited for in vain."""
        token = await self._tokens.obtain(name, query.wait)
        if isinstance(token, Problem) or query.min_ttl is None:
            return token
        most = math.floor(token.lifetime * 9 / 10)
        if query.min_ttl > most:
            return invalid(f"The query parameter min_ttl is at most {most}s here, 90 % of the token's lifetime")
        await self._forced.good_for(name, query.min_ttl, caller=caller, wait=query.wait)
        return self._tokens.find(name)

    def _rejected(self, name: str, query: str, body: bytes, caller: str) -> web.Response | Problem:
        """Note that an API did not accept a token of this name. The answer does not tell whether it is the held one."""
        if query:
            return NO_QUERY
        report = parse_report(body)
        if isinstance(report, Problem):
            return report
        token = self._store.get(name)
        if token and report.means(token.access_token):
            self._forced.rejected(name, token, caller=caller)
        return web.Response(status=202)

    async def _prove(self, name: str, asked: Asked, body: bytes, caller: str) -> web.Response | Problem:
        """The token and a proof for one request: handed out together, since neither is of use without the other."""
        if asked.form != "json":
            return PROOF_AS_JSON
        if asked.query:
            return NO_QUERY
        wanted = parse_wanted(body)
        if isinstance(wanted, Problem):
            return wanted
        token = await self._tokens.obtain(name)
        if isinstance(token, Problem):
            return token
        answer = await self._proofs.answer(name, token, wanted)
        if not isinstance(answer, Problem):
            self._observe(HandedOut(token=name, caller=caller))
        elif answer.reason:
            self._observe(Refused(reason=answer.reason))
        return answer


def bearer(authorization: Sequence[str]) -> str | None:
    """The secret (RFC 6750 section 2.1), `None` without the field; empty, as no secret is, for anything else in it."""
    if not authorization:
        return None
    scheme, _, secret = authorization[0].partition(" ")
    return secret.strip(" ") if scheme.lower() == "bearer" and len(authorization) == 1 else ""
