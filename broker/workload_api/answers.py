"""Response bodies: JSON by default, plain text if the client prefers it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from broker.http_server import web

Form: TypeAlias = Literal["json", "text"]
MEDIA_TYPES: dict[Form, str] = {"json": "application/json", "text": "text/plain; charset=utf-8"}
# Media ranges that match each media type, least specific first (RFC 9110 section 12.5.1).
_RANGES: dict[Form, tuple[str, str, str]] = {
    "json": ("*/*", "application/*", "application/json"),
    "text": ("*/*", "text/*", "text/plain"),
}
_QVALUE = re.compile(r"0(\.[0-9]{0,3})?|1(\.0{0,3})?")


@dataclass(frozen=True, slots=True)
class Problem:
    """An error response."""

    status: int
    error: str
    description: str
    #: A code from a closed set, more specific than `error`; may be empty.
    reason: str = ""
    #: What the client or operator should do; may be empty.
    hint: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def preferred(accept: str | None) -> Form | None:
    """The preferred form for an `Accept` value, JSON on a tie; `None` if neither is acceptable.

    The most specific matching range decides the weight (RFC 9110 section 12.5.1).
    """
    if not accept or accept in ("*/*", "application/json"):
        return "json"
    weights: dict[str, float] = {}
    for element in accept.split(","):
        media_range, *parameters = (part.strip().lower() for part in element.split(";"))
        weights[media_range] = _weight(parameters)
    json_weight, text_weight = (
        next((weights[media_range] for media_range in reversed(ranges) if media_range in weights), 0.0)
        for ranges in (_RANGES["json"], _RANGES["text"])
    )
    if text_weight > json_weight:
        return "text"
    return "json" if json_weight else None


def _weight(parameters: list[str]) -> float:
    """The `q` parameter, 1 by default; 0 if it is not a valid qvalue (RFC 9110 section 12.4.2)."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            return float(value) if _QVALUE.fullmatch(value) else 0.0
    return 1.0


def success(form: Form, body: bytes) -> web.Response:
    """A 200 with a token."""
    return web.Response(body=body, headers={"Content-Type": MEDIA_TYPES[form]})


def failure(form: Form | None, problem: Problem) -> web.Response:
    """An error response (RFC 6749 section 5.2, extended by `reason` and `hint`); JSON if `form` is `None`."""
    if form == "text":
        text = " ".join(f"{problem.error}: {problem.description} {problem.hint}".split()) + "\n"
    else:
        more = {"reason": problem.reason, "hint": problem.hint}
        members = {"error": problem.error, "error_description": problem.description}
        text = json.dumps(members | {name: value for name, value in more.items() if value})
    return web.Response(
        status=problem.status,
        body=text.encode(),
        headers={"Content-Type": MEDIA_TYPES[form or "json"], **problem.headers},
    )
