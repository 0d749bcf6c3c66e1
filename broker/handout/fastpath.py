"""The answer to a request that came before, on the same connection, in the same bytes.

What the head says, who sent it and what the configuration permits is as it was; so all that is left to look at is
whether the token is still the one, still good, and still for a caller whose secret is valid.
"""

import asyncio
import math
from collections.abc import Callable

from broker.events import HandedOut, Observer, Served
from broker.handout.answers import Form
from broker.handout.callers import Callers
from broker.handout.tokens import Tokens
from broker.store import Store
from broker.tokens import Token

#: Seconds until what was answered from memory is counted: metrics are that much behind at most.
TELL_AFTER = 1.0


class Repeats:
    """Makes the answers of the hand-out repeatable."""

    def __init__(
        self,
        tokens: Tokens,
        store: Store,
        callers: Callers,
        *,
        now: Callable[[], float],
        observe: Observer,
    ) -> None:
        self.tokens = tokens
        self.store = store
        self.callers = callers
        self.now = now
        self.observe = observe

    def of(self, token: Token, form: Form, *, name: str, caller: str, route: str) -> "Again":
        """For the answer that gave `token`, called `name`, to `caller`."""
        return Again(self, token, form, name=name, caller=caller, route=route)


class Again:
    """`listener.Again` of one connection: the body as it would be now, remade when a second of it passes."""

    __slots__ = ("_body", "_callers", "_form", "_hits", "_repeats", "_store", "_token", "_until", "_who")

    def __init__(self, repeats: Repeats, token: Token, form: Form, *, name: str, caller: str, route: str) -> None:
        self._repeats = repeats
        self._token = token
        self._form = form
        self._who = (name, caller, route)
        # Any token of the store, and any caller: a full answer costs little, and is right again.
        self._store = repeats.store.generation
        self._callers = repeats.callers.generation
        self._body = b""
        self._until = 0.0
        self._hits = 0

    def __call__(self) -> bytes | None:
        """The body, or `None` when the request has to be answered in full."""
        repeats = self._repeats
        if repeats.store.generation != self._store or repeats.callers.generation != self._callers:
            return None
        now = repeats.now()
        if now >= self._until:
            if now >= self._token.usable_until:
                return None
            self._body = repeats.tokens.encode(self._form, self._token)
            left = self._token.expires_at - now  # told in whole seconds
            self._until = min(now + left - math.floor(left), self._token.usable_until)
        if not self._hits:
            asyncio.get_running_loop().call_later(TELL_AFTER, self._tell)
        self._hits += 1
        return self._body

    def _tell(self) -> None:
        times, self._hits = self._hits, 0
        name, caller, route = self._who
        self._repeats.observe(Served(route=route, code=200, seconds=None, times=times))
        self._repeats.observe(HandedOut(token=name, caller=caller, times=times))
