"""Times and lengths of time as people say them."""

from datetime import UTC, datetime
from typing import TypeGuard

#: From how many seconds on a unit is used.
UNITS = (("days", 86400, 2 * 86400), ("h", 3600, 3590), ("min", 60, 100))

#: The first second that no date can be made of; milliseconds, which people write by mistake, are beyond it since 1978.
YEAR_10000 = 253_402_300_800


def is_epoch(value: object) -> TypeGuard[float]:
    """Whether `value`, of a JWT, is a NumericDate (RFC 7519 section 2) of a year that people can read."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < YEAR_10000


def day(moment: datetime) -> str:
    """The date, in UTC."""
    return moment.strftime("%Y-%m-%d")


def moment(epoch: float) -> str:
    """Date and time to the second, in UTC."""
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def length(seconds: float) -> str:
    """A length of time in the unit that suits it, to a tenth below ten."""
    unit, size = next(((unit, size) for unit, size, least in UNITS if seconds >= least), ("s", 1))
    count = seconds / size
    return f"{count:.1f} {unit}".replace(".0 ", " ") if count < 9.95 else f"{count:.0f} {unit}"


def span(shortest: float, longest: float) -> str:
    """From one length to another."""
    one, other = length(shortest), length(longest)
    number, _, unit = one.partition(" ")
    return f"{number if other.endswith(f' {unit}') else one} to {other}"
