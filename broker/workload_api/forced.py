"""Forced refreshes: replace a token early when a workload needs a longer lifetime or reports a rejected token.

The refresher runs the attempts, one at a time. This module limits how often they start and how long requests wait.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Literal

from broker.core.events import Observer, RefreshForced
from broker.core.tokens import Token
from broker.refresh.budget import Budget
from broker.refresh.refresher import Refresher
from broker.refresh.store import Store

#: Age in seconds below which a rejection is ignored: it may still concern the previous token.
MIN_REJECTED_AGE: Final = 30.0
#: Seconds a request waits beyond the fetch timeout, so that the attempt can finish.
WAIT_MARGIN: Final = 1.0


@dataclass(slots=True)
class ForcedRefreshState:
    """Forced-refresh state of one token."""

    budget: Budget = field(default_factory=Budget)
    #: The token that the last forced refresh produced, while it is current.
    forced: Token | None = None
    #: Whether `forced` was rejected too, or its lifetime was again too short.
    useless: bool = False


class WaiterLimit:
    """Counts waiting requests. Check `available`, then wait inside `with`."""

    def __init__(self, limit: int) -> None:
        self._available = limit

    @property
    def available(self) -> bool:
        """Whether one more request may wait; the limit keeps connections free for requests that do not."""
        return self._available > 0

    def __enter__(self) -> None:
        self._available -= 1

    def __exit__(self, *_: object) -> None:
        self._available += 1


class ForcedRefresh:
    """Starts refreshes ahead of schedule. The current token is served until its replacement arrives.

    No refresh is forced while attempts fail, so that the back-off protects the authorization server.

    `fetch_timeouts`: timeout in seconds of one token request, by token name.
    """

    def __init__(
        self,
        refreshers: Mapping[str, Refresher],
        store: Store,
        waiters: WaiterLimit,
        *,
        fetch_timeouts: Mapping[str, float],
        now: Callable[[], float],
        observe: Observer,
    ) -> None:
        self._refreshers = refreshers
        self._store = store
        self._waiters = waiters
        self._fetch_timeouts = fetch_timeouts
        self._now = now
        self._observe = observe
        self._states = {name: ForcedRefreshState() for name in refreshers}

    async def ensure_lifetime(self, name: str, seconds: float, *, caller: str, wait: float | None) -> None:
        """Force a refresh if the current token expires within `seconds`, and wait for it, at most `wait` seconds."""
        token = self._store.get(name)
        if token is None or self._seconds_left(token) >= seconds:
            return
        attempt = self._renew(name, token, caller, "min_ttl")
        if attempt is None or not self._waiters.available:
            return
        timeout = self._fetch_timeouts[name] + WAIT_MARGIN
        with self._waiters:
            # Unlike wait_for, asyncio.wait does not cancel the shared future on timeout.
            await asyncio.wait([attempt], timeout=timeout if wait is None else min(wait, timeout))
        state, newer = self._states[name], self._store.get(name)
        if newer is not None and newer is state.forced and self._seconds_left(newer) < seconds:
            self._mark_useless(state)

    def _seconds_left(self, token: Token) -> float:
        return token.expires_at - self._now()

    def report_rejected(self, name: str, token: Token, *, caller: str) -> None:
        """Force a refresh because an API rejected `token`, the current token called `name`."""
        if self._now() - token.issued_at < MIN_REJECTED_AGE:
            return
        state = self._current_state(name, token)
        if token is state.forced:
            self._mark_useless(state)
        self._renew(name, token, caller, "rejected")

    def _renew(
        self, name: str, token: Token, caller: str, cause: Literal["min_ttl", "rejected"]
    ) -> asyncio.Future[None] | None:
        """Start an attempt, or join the one in flight. Returns a future of its end, `None` if no attempt may start."""
        refresher = self._refreshers[name]
        if refresher.under_way:
            return refresher.renew()
        if refresher.failure or not self._current_state(name, token).budget.take(self._now()):
            return None
        self._observe(RefreshForced(token=name, caller=caller, cause=cause))
        attempt = refresher.renew()
        attempt.add_done_callback(partial(self._on_attempt_end, name, token))
        return attempt

    def _on_attempt_end(self, name: str, before: Token, _ended: asyncio.Future[None]) -> None:
        token = self._store.get(name)
        if token is not None and token is not before:
            state = self._states[name]
            state.forced, state.useless = token, False

    def _current_state(self, name: str, current: Token) -> ForcedRefreshState:
        """The state of `name`, after crediting the budget if the last forced token has since been replaced."""
        state = self._states[name]
        if state.forced is not None and current is not state.forced:
            if not state.useless:
                state.budget.lived()
            state.forced, state.useless = None, False
        return state

    @staticmethod
    def _mark_useless(state: ForcedRefreshState) -> None:
        if not state.useless:
            state.useless = True
            state.budget.wasted()
