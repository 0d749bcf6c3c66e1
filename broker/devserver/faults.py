"""What the server can be told to do wrong."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta

_Seconds = Annotated[float, Meta(ge=0)]
_HeaderText = Annotated[str, Meta(pattern=r"\A[\x20-\x7e]*\Z")]


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One way to misbehave at the token endpoint.

    Unless the request is hung or reset, the server does its work first, so that the assertion is spent
    and the token made, whatever is answered then. `Fault(delay=2)` only comes late.
    """

    times: Annotated[int, Meta(ge=1)] | None = None
    """How many requests it hits; `None`: all, until cleared."""
    client_id: str | None = None
    """Only this client's requests."""
    delay: _Seconds = 0.0
    """Seconds before the work; an assertion may expire meanwhile, as in a slow queue."""
    hang: bool = False
    """Read the request and never answer."""
    reset: bool = False
    """Reset the connection (TCP RST) without doing the work."""
    lose_answer: bool = False
    """Do the work, then close the connection."""
    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    """Answer this instead; without `body`, what Okta says at that status."""
    body: str | dict[str, Any] | None = None
    """Answer this instead: an object as JSON, a text as HTML unless `headers` say otherwise."""
    headers: dict[_HeaderText, _HeaderText] = {}
    """Further headers, for any answer."""
    size: Annotated[int, Meta(ge=0, le=1 << 26)] = 0
    """Fill the answer up with blanks to this many bytes."""
    retry_after: Annotated[int, Meta(ge=0)] | None = None
    """Answer 429 with `Retry-After`, in seconds."""
    limit_resets_in: Annotated[int, Meta(ge=0)] | None = None
    """Answer 429 with `X-Rate-Limit-Reset`, this many seconds after the server's `Date`."""
    answer: dict[str, Any] = {}
    """Members that replace those of a token answer: `{"expires_in": "3600"}`, `{"token_type": "bearer"}`."""
    omit: tuple[str, ...] = ()
    """Members left out of a token answer."""

    @property
    def replaces(self) -> bool:
        """Whether something else is answered than what the work came to."""
        return self.answer_status is not None or self.body is not None

    @property
    def answer_status(self) -> int | None:
        """`status`, or 429 for a rate limit."""
        limited = self.retry_after is not None or self.limit_resets_in is not None
        return self.status or (429 if limited else None)


NONE = Fault()


class Faults:
    """What is to go wrong from now on. Faults that count down come first, in their order, then those that stay.

    `skew` is how far the server's clock is off, in seconds: its `Date` and its judgement of `exp` and `iat` alike.
    """

    def __init__(self) -> None:
        self.skew = 0.0
        self._pending: list[tuple[Fault, int | None]] = []

    def add(self, *faults: Fault) -> None:
        """Queue them behind what is there."""
        self._pending += [(fault, fault.times) for fault in faults]

    def set(self, *faults: Fault) -> None:
        """These and no others; the clock stays as it is."""
        self._pending.clear()
        self.add(*faults)

    def clear(self) -> None:
        """Behave again, the clock included."""
        self._pending.clear()
        self.skew = 0.0

    def pending(self) -> list[Fault]:
        """What is still to come, with the count that is left."""
        return [msgspec.structs.replace(fault, times=left) for fault, left in self._pending]

    def take(self, client_id: str | None) -> Fault:
        """The fault for this request, counted; `NONE` when there is none."""
        fitting = [each for each in self._pending if each[0].client_id in (None, client_id)]
        counted = [each for each in fitting if each[1] is not None]
        if counted:
            fault, left = counted[0]
            place = self._pending.index(counted[0])
            self._pending[place : place + 1] = [(fault, left - 1)] if left and left > 1 else []
            return fault
        return fitting[0][0] if fitting else NONE
