"""The loop that keeps one token fresh: fetch, store, tell, sleep; it wakes when asked."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import NoReturn

from broker.core.diagnosis import Act, Diagnosis, Reason
from broker.core.errors import BrokerError
from broker.core.events import Observer, Refreshed, RefreshFailed, ScopeReduced, TokenExpired, Warned
from broker.core.settings import TokenSettings
from broker.core.tokens import EXPIRED, Token
from broker.providers.diagnose import defect, diagnose
from broker.refresh.probing import Probing
from broker.refresh.schedule import (
    DEMAND,
    MAX_LIMIT,
    after_fault,
    after_limit,
    after_refusal,
    attempt_at,
    lead,
    probe_pause,
    refresh_at,
    shortest_pause,
)
from broker.refresh.store import Store

#: asyncio sleeps on a clock that stands still while the machine is suspended: no sleep is longer than this.
LONGEST_SLEEP = 60.0
#: Reasons that another key may mend although they are retried as faults of the server are.
MAYBE_THE_KEY: frozenset[Reason] = frozenset({"client_refused", "defect"})


class Refresher:
    """Keeps the token `name` in the store. One request is under way at a time, by construction.

    `draw` gives numbers drawn uniformly from [0, 1). `failure` is the diagnosis of the last attempt, `None` after a
    success; `next_at` when the next attempt is due without demand, on the clock of `now`. `provider` is the preset
    whose refusals the diagnosis knows. `probing` is shared by the tokens of one client.
    """

    def __init__(
        self,
        name: str,
        settings: TokenSettings,
        *,
        fetch: Callable[[TokenSettings], Awaitable[Token]],
        store: Store,
        now: Callable[[], float],
        draw: Callable[[], float],
        observe: Observer,
        provider: str = "generic",
        probing: Probing | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.fetch = fetch
        self.store = store
        self.now = now
        self.draw = draw
        self.observe = observe
        self.provider = provider
        self.probing = probing or Probing(now)
        self.probing.add(self)
        self.failure: Diagnosis | None = None
        self.next_at = now()
        #: When the last token became unusable or will; without any: when this was made.
        self._absent_from = self.next_at
        self._failed_at = self._wanted_until = self._resting_until = -math.inf
        self._faults = 0
        self._current: Token | None = None
        self._missing: tuple[str, ...] = ()
        self._remarks: tuple[str, ...] = ()
        self._woken = False
        # What a pause waits for: an asyncio.Event takes 0.7 KiB, of every token.
        self._waking: asyncio.Future[None] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._attempting = False

    async def run(self) -> NoReturn:
        """Refresh for ever."""
        while True:
            await self.refresh()
            await self._rest()

    def retry_now(self) -> None:
        """Something was repaired (a key, a secret): do not sit out the pause after a failure, past or impending."""
        self._wake()

    @property
    def due_at(self) -> float:
        """When the next attempt is made: `next_at`, or sooner after a fault while a workload wants the token."""
        return attempt_at(self.next_at, self.probing.at, self._wanted_until) if self._faulted else self.next_at

    @property
    def _faulted(self) -> bool:
        """Whether the last attempt failed for a fault of the server or the network."""
        return self.failure is not None and self.failure.act is Act.SERVER

    @property
    def under_way(self) -> bool:
        """Whether an attempt is in flight, requested, or due."""
        return self._attempting or self._ended is not None or self.due_at <= self.now()

    def want(self, seconds: float = 0.0) -> None:
        """Note that a workload asks for the token while there is none, and waits for it for `seconds`."""
        self._wanted_until = max(self._wanted_until, self.now() + max(seconds, DEMAND))
        self.reconsider()

    def reconsider(self) -> None:
        """End the current sleep early if the next attempt is due before its end, or already (after a suspension)."""
        if (due_at := self.due_at) < self._resting_until or due_at <= self.now():
            self._end_sleep()

    def server_recovered(self) -> None:
        """Retry an absent token soon, but for a pending `Retry-After`: a fault is all that failed it."""
        if self._faulted and self.store.get(self.name) is None:
            self.next_at = min(self.next_at, self.probing.soonest(self._failed_at))
            self.reconsider()

    def renew(self) -> asyncio.Future[None]:
        """Make an attempt now; done when it has ended, with success or not. One that is under way is that attempt.

        It is shared: wait for it with `asyncio.wait`, never cancel it.
        """
        if self._ended is None:
            self._ended = asyncio.get_running_loop().create_future()
        if not self._attempting:
            self._wake()
        return self._ended

    def _wake(self) -> None:
        self._woken = True
        self._end_sleep()

    def _end_sleep(self) -> None:
        if self._waking and not self._waking.done():
            self._waking.set_result(None)

    def key_changed(self) -> None:
        """The client has another key, which does not help while the server is down or rate limiting."""
        failure = self.failure
        if failure is None or failure.act not in {Act.SERVER, Act.LIMIT} or failure.reason in MAYBE_THE_KEY:
            self.retry_now()

    async def refresh(self) -> None:
        """One attempt: a new token in the store, or the old one kept and a diagnosis.

        An unexpected exception fails the attempt, as any other failure does.
        """
        self._woken = False
        self._attempting = True
        began = self.now()
        if self._faulted and began <= self._wanted_until:
            self.probing.begin(self)
        try:
            await self._attempt(began)
        except Exception as error:  # noqa: BLE001 - whatever a defect raises
            self._failed(defect(error), began)
        finally:
            self._attempting = False
            if ended := self._ended:
                self._ended = None
                ended.set_result(None)

    async def _attempt(self, began: float) -> None:
        try:
            token = await self.fetch(self.settings)
        except BrokerError as error:
            self._failed(diagnose(error, provider=self.provider), began)
        else:
            self._succeeded(token, began)

    def _succeeded(self, token: Token, began: float) -> None:
        self.store.put(self.name, token)
        recovered = self._faulted
        self._current, self.failure, self._faults = token, None, 0
        self._absent_from, self._wanted_until = token.usable_until, -math.inf
        ahead = self.settings.refresh.ahead
        self.next_at = max(refresh_at(token, ahead, self.draw()), self.now() + shortest_pause(token.lifetime))
        self.observe(
            Refreshed(
                token=self.name,
                client=self.settings.client,
                duration=self.now() - began,
                expires_at=token.expires_at,
                lifetime=token.lifetime,
                lead=lead(token.lifetime, ahead),
                next_refresh_at=self.next_at,
            )
        )
        self._compare_scopes(token)
        for remark in token.remarks:
            if remark not in self._remarks:  # every answer repeats it
                self.observe(Warned(detail=f"tokens.{self.name}: {remark}"))
        self._remarks = token.remarks
        self.probing.succeeded(self, after_fault=recovered)

    def _compare_scopes(self, token: Token) -> None:
        """Servers drop what they do not grant, silently: said when it changes, since every token repeats it."""
        granted = set(token.scope.split())
        missing = tuple(scope for scope in self.settings.scopes if scope not in granted)
        if missing and missing != self._missing:
            self.observe(ScopeReduced(token=self.name, client=self.settings.client, missing=missing))
        self._missing = missing

    def _failed(self, diagnosis: Diagnosis, began: float) -> None:
        self.failure = diagnosis = diagnosis.named(client=self.settings.client, token=self.name)
        self._faults = self._faults + 1 if diagnosis.act is Act.SERVER else 0
        self._failed_at = now = self.now()
        left, draw = self._absent_from - now, self.draw()
        self.next_at = now + self._pause(diagnosis, left, draw)
        self.probing.failed(
            self,
            pause=probe_pause(-left, draw),
            retry_after=min(diagnosis.wait or 0.0, MAX_LIMIT),
            limited=diagnosis.act is Act.LIMIT,
        )
        if self._faulted and left <= 0 and self.probing.recovered_at >= began:
            self.next_at = min(self.next_at, self.probing.soonest(now))
        self.observe(
            RefreshFailed(
                token=self.name,
                client=self.settings.client,
                duration=now - began,
                diagnosis=diagnosis,
                retry_at=self.due_at,
                expires_at=self._current.expires_at if self._current else None,
            )
        )

    def _pause(self, diagnosis: Diagnosis, left: float, draw: float) -> float:
        match diagnosis.act:
            case Act.LIMIT:
                return after_limit(diagnosis.wait or 0.0, left, draw)
            case Act.SERVER:
                return after_fault(self._faults, left, draw, diagnosis.wait or 0.0)
            case _:
                return after_refusal(left)

    async def _rest(self) -> None:
        """Sleep until the next attempt is due, in pieces, and say so when the held token runs out meanwhile."""
        while (left := self.due_at - self.now()) > 0:
            expiry = self._expire()
            if not self._woken:
                self._resting_until = self.due_at
                self._waking = asyncio.get_running_loop().create_future()
                await asyncio.wait([self._waking], timeout=min(left, LONGEST_SLEEP, expiry))
            if self._woken and (self.failure is not None or self._ended is not None):
                break
            self._woken = False
        self._expire()

    def _expire(self) -> float:
        """Seconds until the held token is no longer usable, infinity without one; told once when it has happened."""
        if self._current is None:
            return float("inf")
        left = self._current.usable_until - self.now()
        if left > 0:
            return left
        self._current = None
        reason = self.failure.reason if self.failure else EXPIRED
        self.observe(TokenExpired(token=self.name, client=self.settings.client, reason=reason))
        return float("inf")
