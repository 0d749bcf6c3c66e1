"""The one reader of JSON that authorization servers send: answers, errors, metadata."""

from json import detect_encoding
from typing import Any

import msgspec


def read_object(body: bytes) -> dict[str, Any] | None:
    """The JSON object in `body`; `None` for anything else. Raises nothing, whatever the bytes are.

    A byte order mark and UTF-16 or UTF-32 are accepted although RFC 8259 section 8.1 wants plain UTF-8, and a byte that
    is no character becomes U+FFFD: it spoils the text it stands in, not the members beside it. Of a member that is
    there twice the last counts. What is stricter than Python's own reader: no NaN, and no half of a surrogate pair,
    which could not be sent to workloads as UTF-8.
    """
    try:
        value = msgspec.json.decode(body.decode(detect_encoding(body), errors="replace").removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
