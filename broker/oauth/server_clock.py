"""The authorization server's clock, as its `Date` header shows it.

An assertion is judged by that clock (RFC 7523 section 3, `exp` and `iat`), so a wrong clock of ours is corrected by
it, within limits. Differences are kept against the boot-time clock: a step of our wall clock neither falsifies a
measurement nor outlives its repair.
"""

from collections.abc import Mapping

from broker.core.http_date import date_of

#: `Date` has whole seconds and the round trip blurs it: differences below this are noise.
NOISE = 2.0
MAX_ROUND_TRIP = 5.0


def ahead_of(headers: Mapping[str, str], *, sent_at: float, received_at: float) -> float | None:
    """How far the server's clock is ahead of ours, by the `Date` of one answer; `None` when it does not tell.

    A cached answer (`Age`) tells about another moment, and a slow one does not tell which.
    """
    if "Age" in headers or received_at - sent_at >= MAX_ROUND_TRIP:
        return None
    date = date_of(headers)
    # Half a second, since Date is cut off to the second (RFC 9110 section 5.6.7).
    return None if date is None else date + 0.5 - (sent_at + received_at) / 2


class ServerClock:
    """What is known of one server's clock.

    A difference is used once two samples in a row agree, or at once when the server refused an assertion for its times
    or without a reason; beyond `max_offset` seconds it is only reported, since then a person should look.
    """

    def __init__(self, max_offset: float) -> None:
        self.max_offset = max_offset
        self._last: float | None = None
        self._trusted: float | None = None

    def measured(self, ahead: float) -> None:
        """Take a sample of `ahead_of`, against the boot-time clock."""
        if self._last is not None and abs(ahead - self._last) <= NOISE:
            self._trusted = ahead
        self._last = ahead

    def refused(self) -> None:
        """The server refused an assertion, perhaps for its times: believe its last `Date` without a second sample."""
        self._trusted = self._last

    def offset(self, *, now: float, wall: float) -> float | None:
        """Server minus our wall clock, by the last sample, in seconds; `None` before the first."""
        return None if self._last is None else self._last + now - wall

    def correction(self, *, now: float, wall: float) -> float:
        """What to add to our wall clock for `iat` and `exp`; 0 when it is right, unknown, or too far off to believe."""
        if self._trusted is None:
            return 0.0
        offset = self._trusted + now - wall
        return offset if NOISE <= abs(offset) <= self.max_offset else 0.0
