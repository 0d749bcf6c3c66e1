"""Entry point of the workload API: routes a request, checks its head, and passes it to `v1` or `oauth`."""

import asyncio
from collections.abc import Callable, Mapping
from types import MappingProxyType

from broker.core.diagnosis import Diagnosis
from broker.core.events import Observer, Refused, Served
from broker.core.settings import Api, TokenSettings
from broker.http_server import FindResponse, Peer, peer_of, web
from broker.refresh.refresher import Refresher
from broker.refresh.store import Store
from broker.workload_api.answers import Problem, failure, preferred
from broker.workload_api.body import read_body
from broker.workload_api.callers.registry import Callers
from broker.workload_api.first_token import FirstToken
from broker.workload_api.forced import ForcedRefresh, WaiterLimit
from broker.workload_api.guard import Guard
from broker.workload_api.head import Head
from broker.workload_api.oauth.token_endpoint import LocalTokenEndpoint
from broker.workload_api.proofs import ProofPolicy, Proofs
from broker.workload_api.response_cache import Decision, ResponseCache
from broker.workload_api.routes import DEFAULT, OAUTH, OAUTH_METADATA, OTHER, ROUTES, TOKEN, Route, match
from broker.workload_api.tokens import Clock, Tokens
from broker.workload_api.v1.api import V1, ApiRequest

__all__ = ["ROUTES", "Handout"]

#: Status code for a client that disconnected before its response, as in nginx.
CLIENT_CLOSED = 499
NO_POLICIES: Mapping[str, ProofPolicy] = MappingProxyType({})


class Handout:
    """Serves the current tokens to local workloads.

    `fetch_timeouts`: timeout in seconds of one token request, by token name.
    `fast_path`: whether to use the response cache; without it, every request takes the full path.
    `proof_policies`: by token name, for tokens of clients that use DPoP.
    """

    def __init__(
        self,
        api: Api,
        tokens: Mapping[str, TokenSettings],
        store: Store,
        *,
        callers: Callers,
        refreshers: Mapping[str, Refresher],
        fetch_timeouts: Mapping[str, float],
        failure: Callable[[str], Diagnosis | None],
        next_at: Callable[[str], float | None],
        fast_path: bool,
        now: Clock,
        wall: Clock,
        observe: Observer,
        proof_policies: Mapping[str, ProofPolicy] = NO_POLICIES,
    ) -> None:
        self._guard = Guard(require_header=api.require_header, allowed_hosts=api.allowed_hosts)
        self._limits = api.limits
        waiters = WaiterLimit(max(1, api.max_connections // 2))
        first = FirstToken(
            refreshers,
            store,
            attempt_wait=api.first_token_wait,
            waiters=WaiterLimit(max(1, api.max_connections // 4)),
            long_waiters=waiters,
        )
        served_tokens = Tokens(tokens, store, first, failure=failure, next_at=next_at, now=now, wall=wall)
        forced = ForcedRefresh(refreshers, store, waiters, fetch_timeouts=fetch_timeouts, now=now, observe=observe)
        proofs = Proofs(proof_policies, now=now)
        self._v1 = V1(served_tokens, store, callers, forced, proofs, observe=observe)
        self._oauth: LocalTokenEndpoint | None = None
        if api.token_endpoint != "off":  # noqa: S105 - a word of the configuration
            self._oauth = LocalTokenEndpoint(api.token_endpoint, tokens, served_tokens, callers, observe=observe)
        paths = [path for path in ROUTES if path.startswith("/v1/") or (self._oauth and path.startswith("/"))]
        self._not_found = Problem(404, "not_found", f"The workload API has: {' '.join(paths)}")
        self._now = now
        self._observe = observe
        #: The response cache's lookup, for the listener; `None` without `fast_path`.
        self.find_response: FindResponse | None = None
        if fast_path:
            cache = ResponseCache(
                self._decide, served_tokens, store, callers, limits=api.limits, now=now, observe=observe
            )
            self.find_response = cache.find

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request and emit Served."""
        started = self._now()
        path, _, query = request.raw_path.partition("?")  # as sent: no name needs decoding
        route, name = match(path)
        code = 500
        try:
            answer = await self._answer(request, route, name, query)
            code = answer.status
        except asyncio.CancelledError:
            code = CLIENT_CLOSED
            raise
        finally:
            # A query usually asks to wait; a wait that the client chose would distort the histogram.
            seconds = self._now() - started if route.timed and not query else None
            self._observe(Served(route=route.label, code=code, seconds=seconds))
        return answer

    async def _answer(self, request: web.BaseRequest, route: Route, name: str, query: str) -> web.Response:
        head = Head(request.headers)
        peer = peer_of(request.protocol)
        form = preferred(",".join(head.values("accept")))
        if refusal := self._guard(request.method, request.raw_path, head, over_unix=peer.over_unix):
            self._observe(Refused(reason=refusal.reason))
            return failure(form, Problem(refusal.status, refusal.error, refusal.description, reason=refusal.reason))
        body = b""
        if request.can_read_body:
            read = await read_body(request, self._limits)
            if isinstance(read, Problem):
                answer = failure(form, read)
                answer.force_close()
                return answer
            body = read
        if problem := self._not_served(request.method, route):
            return failure(form, problem)
        if self._oauth and route is OAUTH:
            return await self._oauth.answer(head, body, uid=peer.uid)
        if self._oauth and route is OAUTH_METADATA:
            return self._oauth.metadata(None if peer.over_unix else head.values("host")[0])
        api_request = ApiRequest(request.method, route, name, query, head.values("authorization"), form, peer.uid)
        found = await self._v1.answer(api_request, body)
        return failure(form, found) if isinstance(found, Problem) else found

    def _decide(self, target: str, head: Head, peer: Peer) -> Decision | None:
        """Decide as `_answer` does on a GET without body and query; `None` unless it serves a token."""
        route, name = match(target)
        form = preferred(",".join(head.values("accept")))
        if form is None or route not in (TOKEN, DEFAULT) or self._guard("GET", target, head, over_unix=peer.over_unix):
            return None
        permitted = self._v1.permit(ApiRequest("GET", route, name, "", head.values("authorization"), form, peer.uid))
        return None if isinstance(permitted, Problem) else Decision(*permitted, form, route.label)

    def _not_served(self, method: str, route: Route) -> Problem | None:
        if route is OTHER or (self._oauth is None and route in (OAUTH, OAUTH_METADATA)):
            return self._not_found
        if method not in route.methods:
            allow = ", ".join(route.methods)
            return Problem(405, "method_not_allowed", f"This path takes {allow}.", headers={"Allow": allow})
        return None
