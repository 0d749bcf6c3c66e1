"""A response cache that bypasses aiohttp, whose parser, task and writer take most of the time of a request.

A response depends on the target, the deciding header fields and the peer. The full path decides once for each such
combination and the decision is cached. The response is rendered again when the token, the `Date` second or `expires_in`
changes.
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

#: Most cached decisions; the least recently used one is evicted.
MAX_DECISIONS: Final = 128
#: Largest cached body, in bytes.
MAX_CACHED_BODY: Final = 16384
#: Longest delay of metrics for cached responses, in seconds: hits are counted in batches.
COUNT_DELAY: Final = 1.0


class Decision(NamedTuple):
    """A permitted request for a token."""

    token: str
    caller: str
    form: Form
    #: The value of the metrics label `route`.
    route: str


#: Decides on a GET from target, head and peer; returns `None` unless the response would be a 200.
Decide: TypeAlias = Callable[[str, Head, Peer], Decision | None]


class ResponseCache:
    """Finds the cached response for a request head. Heads with equal deciding fields share one decision."""

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
        # Keys are digests, because the fields may contain a caller's secret.
        self._responses: OrderedDict[tuple[bytes, Peer], CachedResponse] = OrderedDict()

    def find(self, data: bytes, peer: Peer) -> "CachedResponse | None":
        """The response to `data` from `peer`; `None` unless that is one complete head answered with a token."""
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
        started = self.now()
        fields = deciding_fields(lines)
        decision = None if fields is None else self._decide(target.decode(), Head(fields), peer)
        if decision is None:
            return None
        response = CachedResponse(self, decision)
        if not response.render():
            return None
        self._responses[key] = response
        if len(self._responses) > MAX_DECISIONS:
            self._responses.popitem(last=False)
        response.count(1, self.now() - started)
        return response


class CachedResponse:
    """The rendered response for one decision."""

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
        self._hits = -1  # the cache counts the first response, with its duration

    def __call__(self) -> bytes | None:
        """Return the current response and count it; `None` if the request must take the full path."""
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
        """Render the body from the current token. Returns False if the request must take the full path."""
        cache, form = self._cache, self._decision.form
        token = cache.store.get(self._decision.token)
        if token is None or not may_be_answered(form, token):
            return False
        now = cache.now()  # read before encoding, so that `expires_in` cannot outlive `_fresh_until`
        body = cache.tokens.encode(form, token)
        if len(body) > MAX_CACHED_BODY:
            return False
        self._body = body
        left = token.expires_at - now
        self._fresh_until = min(now + left - math.floor(left), token.usable_until)
        self._store_generation = cache.store.generation
        self._second = 0
        return True

    def count(self, times: int, seconds: float | None = None) -> None:
        """Emit the events for `times` responses; `seconds` is the duration of the first."""
        decision, observe = self._decision, self._cache.observe
        observe(Served(route=decision.route, code=200, seconds=seconds, times=times))
        observe(HandedOut(token=decision.token, caller=decision.caller, times=times))

    def _count_hits(self) -> None:
        hits, self._hits = self._hits, 0
        self.count(hits)


@lru_cache(maxsize=len(MEDIA_TYPES))
def _head(form: Form) -> bytes:
    fields = {"Content-Type": MEDIA_TYPES[form], **COMMON_FIELDS}  # same order as aiohttp's
    return "".join(["HTTP/1.1 200 OK\r\n", *(f"{name}: {value}\r\n" for name, value in fields.items())]).encode()


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    return formatdate(second, usegmt=True).encode()
