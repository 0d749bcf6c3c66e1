"""What a query may ask of a token. No value of it is ever repeated."""

import re
from typing import Final
from urllib.parse import parse_qsl

from msgspec import Struct

from broker.core.durations import Duration
from broker.workload_api.answers import Problem

#: The longest `?wait`, in seconds.
MOST_WAIT: Final = 30.0


class Query(Struct, frozen=True):
    """Seconds: how long to wait at most, and for how long the token has to be good; `None` when not asked."""

    wait: float | None = None
    min_ttl: float | None = None


#: What a query may hold.
PARAMETERS: Final = ("wait", "min_ttl")
NOTHING: Final = Query()


def parse_query(query: str) -> Query | Problem:
    """The parameters, each known and given once; a Problem names the first that is not."""
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
    if found.get("wait", 0.0) > MOST_WAIT:
        return invalid(f"The query parameter wait is at most {MOST_WAIT:g}s")
    return Query(**found)


def invalid(description: str) -> Problem:
    """A 400; `description` lacks its full stop."""
    return Problem(400, "invalid_request", f"{description}.")


def _safe(name: str) -> str:
    """The name of a parameter, if it looks like one: no place to reflect what a stranger wrote."""
    return name if re.fullmatch(r"[a-z][a-z_]{0,30}", name) else "(not a name)"
