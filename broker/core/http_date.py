"""Dates in header fields (RFC 9110 section 5.6.7)."""

from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime


def date_of(headers: Mapping[str, str]) -> float | None:
    """The `Date` header in epoch seconds; `None` when absent or not a date."""
    return http_date(headers.get("Date", ""))


def http_date(text: str) -> float | None:
    """A date in any of the forms of RFC 9110 section 5.6.7, in epoch seconds; `None` if invalid."""
    try:
        date = parsedate_to_datetime(text)
        # A date without a zone is in UTC, not in local time.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None
