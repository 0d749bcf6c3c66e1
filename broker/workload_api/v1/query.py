"""Query parameters of a token request. Errors never quote their values."""

import re
from typing import Final
from urllib.parse import parse_qsl

from msgspec import Struct

from broker.core.durations import Duration
from broker.workload_api.answers import Problem

#: The longest `?wait`, in seconds.
MAX_WAIT: Final = 30.0


class Query(Struct, frozen=True):
    """The parsed query."""

    #: Longest wait for the token, in seconds.
    wait: float | None = None
    #: Required remaining lifetime, in seconds.
    min_ttl: float | None = None


PARAMETERS: Final = ("wait", "min_ttl")
NO_PARAMETERS: Final = Query()


def parse_query(query: str) -> Query | Problem:
    """Parse a query. Returns a Problem for the first parameter that is unknown, repeated or invalid."""
    found: dict[str, float] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in PARAMETERS:
            return invalid(f"Unknown query parameter: {_safe(name)}. Known: {', '.join(PARAMETERS)}")
        if name in found:
            return invalid(f"The query parameter {name} is given twice")
        try:
            found[name] = Duration.parse(value)
        except ValueError:
            return invalid(f"The query parameter {name} is a duration like 5s")
    if found.get("wait", 0.0) > MAX_WAIT:
        return invalid(f"The query parameter wait is at most {MAX_WAIT:g}s")
    return Query(**found)


def invalid(description: str) -> Problem:
    """A 400; the full stop is added to `description`."""
    return Problem(400, "invalid_request", f"{description}.")


def _safe(name: str) -> str:
    """`name` if it looks like a parameter name: arbitrary input is not reflected in responses."""
    return name if re.fullmatch(r"[a-z][a-z_]{0,30}", name) else "(not a name)"
