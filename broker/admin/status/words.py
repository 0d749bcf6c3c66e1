"""Formats times, names and external texts for people. No HTML."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from broker.admin.status.snapshot import TokenStatus
from broker.core.words import clean, one_line

MINUTE, HOUR, DAY = 60, 3600, 86400
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: Most names in a sentence; the rest is counted.
MOST_NAMES: Final = 3
#: Most unrequested scopes to show: a server may grant any number.
MOST_EXTRA_SCOPES: Final = 12


def span(seconds: float) -> str:
    """A duration in at most two units: `42 s`, `41 min`, `3 h 12 min`, `4 d 6 h`."""
    whole = int(seconds)
    if whole < 2 * MINUTE:
        return f"{whole} s"
    if whole < 2 * HOUR:
        return f"{whole // MINUTE} min"
    big, small, units = (HOUR, MINUTE, ("h", "min")) if whole < 2 * DAY else (DAY, HOUR, ("d", "h"))
    rest = whole % big // small
    return f"{whole // big} {units[0]}" + (f" {rest} {units[1]}" if rest else "")


def ago(moment: float, at: float) -> str:
    """How long before `at` the past `moment` was."""
    return f"{span(at - moment)} ago" if at - moment >= 1 else "just now"


def clock(moment: float, at: float) -> str:
    """`14:03:12 UTC`, with the date if it is not the day of `at`."""
    time = f"{_time(moment)} UTC"
    if moment // DAY == at // DAY:
        return time
    then, today = _date(moment // DAY), _date(at // DAY)
    day = f"{then.day} {MONTHS[then.month - 1]}" if then.year == today.year else then.isoformat()
    return f"{day} {time}"


def rfc3339(moment: float) -> str:
    """Epoch seconds in RFC 3339 format: `2026-11-23T14:03:12Z`."""
    return f"{_date(moment // DAY)}T{_time(moment)}Z"


def _time(moment: float) -> str:
    # Arithmetic is faster than datetime; a page of 200 tokens formats 2000 times.
    second = int(moment) % DAY
    return f"{second // HOUR:02}:{second // MINUTE % 60:02}:{second % 60:02}"


@lru_cache(maxsize=16)
def _date(day: float) -> date:
    """The date `day` days after the epoch."""
    return date(1970, 1, 1) + timedelta(days=day)


def number(count: int, noun: str) -> str:
    """`1 attempt`, `1,284 attempts`."""
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def names(several: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b, c and 17 more`."""
    if len(several) > MOST_NAMES + 1:
        return f"{', '.join(several[:MOST_NAMES])} and {len(several) - MOST_NAMES} more"
    return " and ".join(filter(None, (", ".join(several[:-1]), several[-1])))


def printable(text: str) -> str:
    """`text` without control characters and marks that reorder what follows."""
    return text if text.isprintable() else one_line(text)


def address(url: str) -> str:
    """A URL without user, password, query and fragment, which may be secret; also for malformed URLs."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        return printable(parts._replace(netloc=host, query="", fragment="").geturl())
    except ValueError:
        return clean(url)


def scopes(token: TokenStatus) -> tuple[list[str], list[str], list[str], int]:
    """Scopes that were granted, denied, and granted without request; and how many of the last are not shown.

    Scopes that contain a secret are never shown.
    """
    requested = token.settings.scopes
    if token.granted is None:
        return list(requested), [], [], 0
    granted = set(token.granted)
    extra = [scope for scope in dict.fromkeys(token.granted) if scope not in requested]
    shown = [scope for scope in extra[:MOST_EXTRA_SCOPES] if clean(scope) == scope]
    return (
        [scope for scope in requested if scope in granted],
        [scope for scope in requested if scope not in granted],
        shown,
        len(extra) - len(shown),
    )
