"""The loop that keeps one token fresh: fetch, store, tell, sleep; it wakes when asked."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn

from broker.diagnosis import Act, Diagnosis, Reason, defect, diagnose
from broker.errors import BrokerError
from broker.events import Observer, Refreshed, RefreshFailed, ScopeReduced, TokenExpired, Warned
from broker.schedule import after_fault, after_limit, after_refusal, lead, refresh_at, shortest_pause
from broker.settings import TokenSettings
from broker.store import Store
from broker.tokens import EXPIRED, Token

#: asyncio sleeps on a clock that stands still while the machine is suspended: no sleep is longer than this.
LONGEST_SLEEP = 60.0
#: Reasons that another key may mend although they are retried as faults of the server are.
MAYBE_THE_KEY: frozenset[Reason] = frozenset({"client_refused", "defect"})


class Refresher:
    """Keeps the token `name` in the store. One request is under way at a time, by construction.

    `draw` gives numbers drawn uniformly from [0, 1). `failure` is the diagnosis of the last attempt, `None` after a
    success; `next_at` when the next attempt is due, on the clock of `now`. `provider` is the preset whose refusals
    the diagnosis knows.
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
    ) -> None:
        self.name = name
        self.settings = settings
        self.fetch = fetch
        self.store = store
        self.now = now
        self.draw = draw
        self.observe = observe
        self.provider = provider
        self.failure: Diagnosis | None = None
        self.next_at = now()
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
    def under_way(self) -> bool:
        """Whether an attempt is being made, or about to be because somebody asked for one."""
        return self._attempting or self._ended is not None

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
        self._current, self.failure, self._faults = token, None, 0
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
        now = self.now()
        left = self._current.usable_until - now if self._current else 0.0
        self.next_at = now + self._pause(diagnosis, left)
        self.observe(
            RefreshFailed(
                token=self.name,
                client=self.settings.client,
                duration=now - began,
                diagnosis=diagnosis,
                retry_at=self.next_at,
                expires_at=self._current.expires_at if self._current else None,
            )
        )

    def _pause(self, diagnosis: Diagnosis, left: float) -> float:
        match diagnosis.act:
            case Act.LIMIT:
                return after_limit(diagnosis.wait or 0.0, left, self.draw())
            case Act.SERVER:
                return after_fault(self._faults, left, self.draw(), diagnosis.wait or 0.0)
            case _:
                return after_refusal(left)

    async def _rest(self) -> None:
        """Sleep until the next attempt is due, in pieces, and say so when the held token runs out meanwhile."""
        while (left := self.next_at - self.now()) > 0:
            expiry = self._expire()
            if not self._woken:
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
