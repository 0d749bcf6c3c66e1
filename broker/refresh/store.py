"""The current token of each name. An expired one is absent, so none can be handed out."""

import asyncio
from collections.abc import Callable, Collection

from cachetools import TLRUCache

from broker.core.tokens import Token


class Store:
    """Holds one token per configured name and wakes who waits for the first."""

    def __init__(self, names: Collection[str], now: Callable[[], float]) -> None:
        self._now = now
        # One slot a name: the cache never has to evict, it only forgets what has expired.
        self._tokens: TLRUCache[str, Token] = TLRUCache(
            maxsize=max(1, len(names)), ttu=lambda _name, token, _now: token.usable_until, timer=now
        )
        self._arrivals: dict[str, asyncio.Future[None]] = {}
        self._held: set[str] = set()
        #: How many tokens have come. What was decided under another number is to be decided again.
        self.generation = 0

    def get(self, name: str) -> Token | None:
        """The usable token, or `None` before the first and after its expiry."""
        try:
            return self._tokens[name]  # half the price of `get`, which looks twice
        except KeyError:
            return None

    def put(self, name: str, token: Token) -> None:
        """Replace the token; whoever waited has it at once. One that is expired already is no replacement."""
        if token.usable_until <= self._now():
            # cachetools would drop the good one that is there.
            return
        self._tokens[name] = token
        self.generation += 1
        self._held.add(name)
        if arrival := self._arrivals.pop(name, None):
            arrival.set_result(None)

    def held(self, name: str) -> bool:
        """Whether there ever was a token of this name."""
        return name in self._held

    async def wait(self, name: str, seconds: float) -> Token | None:
        """The usable token, or the next to arrive within `seconds`; `None` when none did."""
        return self.get(name) or await self.next(name, seconds)

    async def next(self, name: str, seconds: float | None) -> Token | None:
        """The usable token after another has arrived, or when `seconds` are over (`None`: never)."""
        arrival = self._arrivals.get(name)
        if arrival is None:
            arrival = self._arrivals[name] = asyncio.get_running_loop().create_future()
        # asyncio.wait leaves the shared future alone when one waiter gives up.
        await asyncio.wait([arrival], timeout=seconds)
        return self.get(name)
