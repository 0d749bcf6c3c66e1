"""Requests for a token that is absent: they are demand, and wait for the attempt in flight."""

import asyncio
from collections.abc import Mapping

from broker.core.tokens import Token
from broker.refresh.refresher import Refresher
from broker.refresh.store import Store
from broker.workload_api.forced import Waiters


class FirstToken:
    """Waits for absent tokens: `seconds` at most for the attempt in flight, or as long as a request says (`?wait`).

    `waiters` bounds the requests that wait for an attempt, `patient` those with `?wait`. `seconds` of 0: none waits for
    an attempt.
    """

    def __init__(
        self,
        refreshers: Mapping[str, Refresher],
        store: Store,
        *,
        seconds: float,
        waiters: Waiters,
        patient: Waiters,
    ) -> None:
        self._refreshers = refreshers
        self._store = store
        self._seconds = seconds
        self._waiters = waiters
        self._patient = patient

    async def get(self, name: str, wait: float | None = None) -> Token | None:
        """The usable token, if need be after a wait. The wait for an attempt ends with it, whether or not it failed."""
        if token := self._store.get(name):
            return token
        refresher = self._refreshers[name]
        refresher.want(wait or 0.0)
        if wait and self._patient.room:
            with self._patient:
                return await self._store.wait(name, wait)
        seconds = self._seconds if wait is None else min(wait, self._seconds)
        if seconds and self._waiters.room and refresher.under_way:
            with self._waiters:
                # asyncio.wait leaves the shared future alone when one waiter gives up.
                await asyncio.wait([refresher.renew()], timeout=seconds)
        return self._store.get(name)
