"""The workload API's front door: guard, route, answer. What it hands out is in `tokens`."""

import asyncio
from collections.abc import Callable, Mapping

from aiohttp import web

from broker.diagnosis import Diagnosis
from broker.events import HandedOut, Observer, Refused, Served
from broker.handout.answers import Form, Problem, failure, preferred, success
from broker.handout.body import read_body
from broker.handout.guard import Guard
from broker.handout.tokens import Clock, Tokens
from broker.listener import over_unix
from broker.settings import Api, TokenSettings
from broker.store import Store
from broker.tokens import Token

#: The label `route` of the metrics, every one there is.
ROUTES = ("/v1/tokens/{name}", "/v1/token", "other")

#: The code of a client that went away before its answer, as nginx counts it.
CLIENT_CLOSED = 499

NOT_FOUND = Problem(404, "not_found", "The workload API is GET /v1/tokens/{name} and GET /v1/token.")
NOT_ALLOWED = Problem(405, "method_not_allowed", "A token is asked for with GET.", headers={"Allow": "GET, HEAD"})
NOT_ACCEPTABLE = Problem(406, "not_acceptable", "A token comes as application/json or text/plain.")


class Handout:
    """Answers the processes beside the broker from what the store holds."""

    def __init__(
        self,
        api: Api,
        tokens: Mapping[str, TokenSettings],
        store: Store,
        *,
        failure: Callable[[str], Diagnosis | None],
        next_at: Callable[[str], float | None],
        now: Clock,
        wall: Clock,
        observe: Observer,
    ) -> None:
        self._guard = Guard(require_header=api.require_header, allowed_hosts=api.allowed_hosts)
        self._tokens = Tokens(
            tokens,
            store,
            failure=failure,
            next_at=next_at,
            most_waiting=max(1, api.max_connections // 2),
            now=now,
            wall=wall,
        )
        self._now = now
        self._observe = observe

    async def handle(self, request: web.BaseRequest) -> web.Response:
        """Answer one request and tell how it went."""
        began = self._now()
        path, _, query = request.raw_path.partition("?")  # as sent: no name needs decoding
        segments = path.split("/")[1:]
        code = 500
        try:
            answer = await self._answer(request, segments, query)
            code = answer.status
        except asyncio.CancelledError:
            code = CLIENT_CLOSED
            raise
        finally:
            # How long a client chose to wait is no measure of ours.
            seconds = None if "wait" in query else self._now() - began
            self._observe(Served(route=_route(segments), code=code, seconds=seconds))
        return answer

    async def _answer(self, request: web.BaseRequest, segments: list[str], query: str) -> web.Response:
        form = preferred(",".join(request.headers.getall("Accept", ())))
        refusal = self._guard(request.method, request.raw_path, request.headers.items(), over_unix=over_unix(request))
        if refusal:
            self._observe(Refused(reason=refusal.reason))
            return failure(form, Problem(refusal.status, refusal.error, refusal.description, reason=refusal.reason))
        if request.can_read_body and isinstance(body := await read_body(request), Problem):
            answer = failure(form, body)
            answer.force_close()
            return answer
        found = await self._find(request.method, segments, query, form)
        if isinstance(found, Problem):
            return failure(form, found)
        name, token, form = found
        if request.method == "GET":
            self._observe(HandedOut(token=name, caller="anonymous"))
        return success(form, self._tokens.encode(form, token))

    async def _find(
        self, method: str, segments: list[str], query: str, form: Form | None
    ) -> tuple[str, Token, Form] | Problem:
        match method, *segments:
            case "GET" | "HEAD", "v1", "tokens", segment:
                name: str | Problem = segment
            case "GET" | "HEAD", "v1", "token":
                name = self._tokens.default()
            case _:
                return NOT_FOUND if _route(segments) == "other" else NOT_ALLOWED
        if isinstance(name, Problem):
            return name
        if not form:
            return NOT_ACCEPTABLE
        token = await self._tokens.find(name, query)
        return token if isinstance(token, Problem) else (name, token, form)


def _route(segments: list[str]) -> str:
    match segments:
        case ["v1", "tokens", _]:
            return "/v1/tokens/{name}"
        case ["v1", "token"]:
            return "/v1/token"
        case _:
            return "other"
