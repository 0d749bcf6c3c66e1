"""Tokens replaced before their time, because a workload wants one that lives longer or had one rejected.

The refresher does it, one attempt at a time; here is who may ask it to, how often, and for how long one may wait.
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

#: A token younger than this, in seconds, is not to blame yet: reports about the one before it are still coming in.
YOUNGEST: Final = 30.0
#: Seconds that a waiter grants beyond the time a request to the authorization server may take.
MARGIN: Final = 1.0


@dataclass(slots=True)
class Account:
    """What is remembered of one token: the one that came of force last, while it is held, and whether it was no use."""

    budget: Budget = field(default_factory=Budget)
    forced: Token | None = None
    useless: bool = False


class Waiters:
    """The requests that wait, each within `with`: nobody may begin to once there is no `room`."""

    def __init__(self, most: int) -> None:
        self._room = most

    @property
    def room(self) -> bool:
        """Whether one more leaves connections for those that do not wait."""
        return self._room > 0

    def __enter__(self) -> None:
        self._room -= 1

    def __exit__(self, *_: object) -> None:
        self._room += 1


class Forced:
    """Asks refreshers for attempts out of turn. The held token stays until another is there.

    While attempts fail, none is forced: the pause after a failure is as long as it is for the server's sake.
    `patience` is how long a request for each token may take, in seconds.
    """

    def __init__(
        self,
        refreshers: Mapping[str, Refresher],
        store: Store,
        waiters: Waiters,
        *,
        patience: Mapping[str, float],
        now: Callable[[], float],
        observe: Observer,
    ) -> None:
        self._refreshers = refreshers
        self._store = store
        self._waiters = waiters
        self._patience = patience
        self._now = now
        self._observe = observe
        self._accounts = {name: Account() for name in refreshers}

    async def good_for(self, name: str, seconds: float, *, caller: str, wait: float | None) -> None:
        """Have the held token replaced if it dies within `seconds`, and wait for that, `wait` seconds at most."""
        token = self._store.get(name)
        if token is None or self._left(token) >= seconds:
            return
        ended = self._renew(name, token, caller, "min_ttl")
        if ended is None or not self._waiters.room:
            return
        patience = self._patience[name] + MARGIN
        with self._waiters:
            # asyncio.wait leaves the shared future alone when one waiter gives up.
            await asyncio.wait([ended], timeout=patience if wait is None else min(wait, patience))
        account, newer = self._accounts[name], self._store.get(name)
        if newer is not None and newer is account.forced and self._left(newer) < seconds:
            self._blame(account)

    def _left(self, token: Token) -> float:
        return token.expires_at - self._now()

    def rejected(self, name: str, token: Token, *, caller: str) -> None:
        """An API did not accept `token`, the current one of this name."""
        if self._now() - token.issued_at < YOUNGEST:
            return
        account = self._settled(name, token)
        if token is account.forced:
            self._blame(account)
        self._renew(name, token, caller, "rejected")

    def _renew(
        self, name: str, token: Token, caller: str, cause: Literal["min_ttl", "rejected"]
    ) -> asyncio.Future[None] | None:
        """The end of an attempt that is under way, or that begins now; `None` when none may."""
        refresher = self._refreshers[name]
        if refresher.under_way:
            return refresher.renew()
        if refresher.failure or not self._settled(name, token).budget.take(self._now()):
            return None
        self._observe(RefreshForced(token=name, caller=caller, cause=cause))
        ended = refresher.renew()
        ended.add_done_callback(partial(self._came, name, token))
        return ended

    def _came(self, name: str, before: Token, _ended: asyncio.Future[None]) -> None:
        token = self._store.get(name)
        if token is not None and token is not before:
            account = self._accounts[name]
            account.forced, account.useless = token, False

    def _settled(self, name: str, current: Token) -> Account:
        """The account, after a look at what has become of the last forced token."""
        account = self._accounts[name]
        if account.forced is not None and current is not account.forced:
            if not account.useless:
                account.budget.lived()
            account.forced, account.useless = None, False
        return account

    @staticmethod
    def _blame(account: Account) -> None:
        if not account.useless:
            account.useless = True
            account.budget.wasted()
