"""How often one token may be replaced before its time, because workloads want it. Arithmetic only."""

import math
from typing import Final

#: Seconds between two forced refreshes at least, and at most while they keep being of no use.
SHORTEST: Final = 30.0
LONGEST: Final = 900.0


class Budget:
    """One refresh in 30 s, doubling to one in 15 min while the tokens that come of them are no use.

    Replacing a token cannot mend what is wrong at the API: a wrong audience, say, or a clock.
    """

    __slots__ = ("_following", "_pause", "_spent_at")

    def __init__(self) -> None:
        self._spent_at = -math.inf
        #: Seconds from the last one to the next.
        self._pause = self._following = SHORTEST

    def take(self, now: float) -> bool:
        """Whether one may begin now; then it is spent."""
        if now - self._spent_at < self._pause:
            return False
        self._spent_at, self._pause = now, self._following
        return True

    def wasted(self) -> None:
        """The token that the last one brought was rejected too: once for each token."""
        self._following = min(2 * self._following, LONGEST)

    def lived(self) -> None:
        """The token that the last one brought was good until its ordinary refresh."""
        self._pause = self._following = SHORTEST
