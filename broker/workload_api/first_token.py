"""Waiting for a token that is not available yet. Each such request counts as demand and may trigger an attempt."""

import asyncio
from collections.abc import Mapping

from broker.core.tokens import Token
from broker.refresh.refresher import Refresher
from broker.refresh.store import Store
from broker.workload_api.forced import WaiterLimit


class FirstToken:
    """Waits for absent tokens: for the attempt in flight, or as long as the request permits (`?wait`).

    `attempt_wait`: longest wait for the attempt in flight, in seconds; 0 disables this wait.
    `waiters`: limit on requests that wait for an attempt.
    `long_waiters`: limit on requests that wait because of `?wait`.
    """

    def __init__(
        self,
        refreshers: Mapping[str, Refresher],
        store: Store,
        *,
        attempt_wait: float,
        waiters: WaiterLimit,
        long_waiters: WaiterLimit,
    ) -> None:
        self._refreshers = refreshers
        self._store = store
        self._attempt_wait = attempt_wait
        self._waiters = waiters
        self._long_waiters = long_waiters

    async def get(self, name: str, wait: float | None = None) -> Token | None:
        """The usable token, waiting for it if necessary; `None` if there is none after the wait.

        The wait for an attempt ends when the attempt does, successful or not.
        """
        if token := self._store.get(name):
            return token
        refresher = self._refreshers[name]
        refresher.want(wait or 0.0)
        if wait and self._long_waiters.available:
            with self._long_waiters:
                return await self._store.wait(name, wait)
        seconds = self._attempt_wait if wait is None else min(wait, self._attempt_wait)
        if seconds and self._waiters.available and refresher.under_way:
            with self._waiters:
                # Unlike wait_for, asyncio.wait does not cancel the shared future on timeout.
                await asyncio.wait([refresher.renew()], timeout=seconds)
        return self._store.get(name)
