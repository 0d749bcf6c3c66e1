"""Answers to request heads without aiohttp, whose parser, request, task and writer take most of a request's time.

What the answer is depends on the target, on the fields that decide and on the peer. The decision over them is taken by
the rules of the full path and kept; the answer itself is rendered anew when the token, the second or what is left of
the token's lifetime changes.
"""

import asyncio
import math
import time
from collections import OrderedDict
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from hashlib import sha256
from typing import Final, NamedTuple, TypeAlias

from broker.core.events import HandedOut, Observer, Served
from broker.core.settings import Limits
from broker.http_server import COMMON_FIELDS, Peer
from broker.refresh.store import Store
from broker.workload_api.answers import MEDIA_TYPES, Form
from broker.workload_api.callers.registry import Callers
from broker.workload_api.head import Head
from broker.workload_api.strict_head import HeadPattern, deciding_fields
from broker.workload_api.tokens import Clock, Tokens, may_be_answered

#: Decisions that are kept, the most recently used ones.
MOST_DECISIONS: Final = 128
#: Bytes of the largest body that is kept.
LARGEST_BODY: Final = 16384
#: Seconds until cached answers are counted: metrics are that much behind at most.
COUNT_DELAY: Final = 1.0


class Decision(NamedTuple):
    """A permitted request for a token; `route` is the label of metrics."""

    token: str
    caller: str
    form: Form
    route: str


#: Decides over a GET by its target, its head and its peer; `None`: the answer would not be a 200.
Decide: TypeAlias = Callable[[str, Head, Peer], Decision | None]


class ResponseCache:
    """Finds the answer to a request head, deciding at most once over heads that differ in nothing that matters."""

    def __init__(
        self,
        decide: Decide,
        tokens: Tokens,
        store: Store,
        callers: Callers,
        *,
        limits: Limits,
        now: Clock,
        observe: Observer,
    ) -> None:
        self._decide = decide
        self.tokens = tokens
        self.store = store
        self.callers = callers
        self.now = now
        self.observe = observe
        self._pattern = HeadPattern(limits)
        self._callers_generation = callers.generation
        # The keys are digests: some of the fields hold a caller's secret.
        self._responses: OrderedDict[tuple[bytes, Peer], CachedResponse] = OrderedDict()

    def find(self, data: bytes, peer: Peer) -> "CachedResponse | None":
        """The response to `data` from `peer`; `None` unless it is one whole head to be answered with a token."""
        matched = self._pattern.match(data)
        if matched is None:
            return None
        target, lines = matched
        if self.callers.generation != self._callers_generation:
            self._responses.clear()
            self._callers_generation = self.callers.generation
        key = (sha256(b"%b\r\n%b" % (target, b"".join(lines))).digest(), peer)
        response = self._responses.get(key)
        if response:
            self._responses.move_to_end(key)
            return response
        began = self.now()
        fields = deciding_fields(lines)
        decision = None if fields is None else self._decide(target.decode(), Head(fields), peer)
        if decision is None:
            return None
        response = CachedResponse(self, decision)
        if not response.render():
            return None
        self._responses[key] = response
        if len(self._responses) > MOST_DECISIONS:
            self._responses.popitem(last=False)
        response.count(1, self.now() - began)
        return response


class CachedResponse:
    """The answer to every head that led to one decision."""

    __slots__ = (
        *("_answer", "_body", "_cache", "_callers_generation", "_decision", "_fresh_until", "_hits", "_second"),
        "_store_generation",
    )

    def __init__(self, cache: ResponseCache, decision: Decision) -> None:
        self._cache = cache
        self._decision = decision
        self._callers_generation = cache.callers.generation
        self._store_generation = -1
        self._body = b""
        self._fresh_until = 0.0
        self._second = 0
        self._answer = b""
        self._hits = -1  # the cache counts the first answer, with the time that it took

    def __call__(self) -> bytes | None:
        """The whole answer as it is now, counted as sent; `None` if the request must be answered in full."""
        cache = self._cache
        if cache.callers.generation != self._callers_generation:
            return None
        changed = cache.store.generation != self._store_generation or cache.now() >= self._fresh_until
        if changed and not self.render():
            return None
        second = int(time.time())
        if second != self._second:
            self._second = second
            parts = (_head(self._decision.form), len(self._body), _date(second), self._body)
            self._answer = b"%bContent-Length: %d\r\nDate: %b\r\n\r\n%b" % parts
        if not self._hits:
            asyncio.get_running_loop().call_later(COUNT_DELAY, self._count_hits)
        self._hits += 1
        return self._answer

    def render(self) -> bool:
        """Make the body from the token as it is now. False if it must not be answered in this form or from here."""
        cache, form = self._cache, self._decision.form
        token = cache.store.get(self._decision.token)
        if token is None or not may_be_answered(form, token):
            return False
        now = cache.now()  # before the body, which tells the seconds that are left
        body = cache.tokens.encode(form, token)
        if len(body) > LARGEST_BODY:
            return False
        self._body = body
        left = token.expires_at - now
        self._fresh_until = min(now + left - math.floor(left), token.usable_until)
        self._store_generation = cache.store.generation
        self._second = 0
        return True

    def count(self, times: int, seconds: float | None = None) -> None:
        """Count answers; `seconds` is what the first one took."""
        decision, observe = self._decision, self._cache.observe
        observe(Served(route=decision.route, code=200, seconds=seconds, times=times))
        observe(HandedOut(token=decision.token, caller=decision.caller, times=times))

    def _count_hits(self) -> None:
        hits, self._hits = self._hits, 0
        self.count(hits)


@lru_cache(maxsize=len(MEDIA_TYPES))
def _head(form: Form) -> bytes:
    fields = {"Content-Type": MEDIA_TYPES[form], **COMMON_FIELDS}  # in the order in which aiohttp writes them
    return "".join(["HTTP/1.1 200 OK\r\n", *(f"{name}: {value}\r\n" for name, value in fields.items())]).encode()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
