"""Fault injection."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

_Seconds = Annotated[float, Meta(ge=0)]
_HeaderText = Annotated[str, Meta(pattern=r"\A[\x20-\x7e]*\Z")]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One fault at the token endpoint.

    Unless it is a hang or a reset, the server processes the request first: the assertion is consumed and the token
    issued, whatever the answer. `Fault(delay=2)` only delays the answer.
    """

    times: Annotated[int, Meta(ge=1)] | None = None
    """How many requests it affects; `None`: all, until cleared."""
    client_id: str | None = None
    """Affect only this client's requests."""
    delay: _Seconds = 0.0
    """Seconds to wait before processing; an assertion may expire meanwhile."""
    hang: bool = False
    """Read the request and never answer."""
    reset: bool = False
    """Reset the connection (TCP RST) without processing the request."""
    lose_answer: bool = False
    """Process the request, then close the connection without an answer."""
    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    """Answer with this status; without `body`, with Okta's body for it."""
    body: str | dict[str, Any] | None = None
    """Answer with this body: an object as JSON, a string as HTML unless `headers` set another type."""
    headers: dict[_HeaderText, _HeaderText] = {}
    """Extra response headers."""
    size: Annotated[int, Meta(ge=0, le=1 << 26)] = 0
    """Pad the body with spaces to this many bytes."""
    retry_after: Annotated[int, Meta(ge=0)] | None = None
    """Answer 429 with `Retry-After`, in seconds."""
    limit_resets_in: Annotated[int, Meta(ge=0)] | None = None
    """Answer 429 with `X-Rate-Limit-Reset`, this many seconds after the server's `Date`."""
    answer: dict[str, Any] = {}
    """Members to replace in a token response: `{"expires_in": "3600"}`, `{"token_type": "bearer"}`."""
    omit: tuple[str, ...] = ()
    """Members to leave out of a token response."""

    @property
    def replaces(self) -> bool:
        """Whether the fault replaces the server's own answer."""
        return self.answer_status is not None or self.body is not None

    @property
    def answer_status(self) -> int | None:
        """`status`, or 429 for a rate limit."""
        limited = self.retry_after is not None or self.limit_resets_in is not None
        return self.status or (429 if limited else None)


NONE = Fault()


class Faults:
    """Pending faults. Those with `times` apply first, in order, then permanent ones.

    `skew` is the error of the server's clock in seconds. It affects `Date` and the checks of `exp` and `iat`.
    """

    def __init__(self) -> None:
        self.skew = 0.0
        self._pending: list[tuple[Fault, int | None]] = []

    def add(self, *faults: Fault) -> None:
        """Append faults to the pending ones."""
        self._pending += [(fault, fault.times) for fault in faults]

    def set(self, *faults: Fault) -> None:
        """Replace the pending faults; keep the skew."""
        self._pending.clear()
        self.add(*faults)

    def clear(self) -> None:
        """Remove all faults and the skew."""
        self._pending.clear()
        self.skew = 0.0

    def pending(self) -> list[Fault]:
        """Return the pending faults, `times` being the count that is left."""
        return [msgspec.structs.replace(fault, times=left) for fault, left in self._pending]

    def take(self, client_id: str | None) -> Fault:
        """Return the fault for a request and count it down; `NONE` if none is pending."""
        fitting = [each for each in self._pending if each[0].client_id in (None, client_id)]
        counted = [each for each in fitting if each[1] is not None]
        if counted:
            fault, left = counted[0]
            place = self._pending.index(counted[0])
            self._pending[place : place + 1] = [(fault, left - 1)] if left and left > 1 else []
            return fault
        return fitting[0][0] if fitting else NONE
