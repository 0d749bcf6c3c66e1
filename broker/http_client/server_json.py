"""Lenient reader for all JSON from authorization servers: token responses, errors, metadata."""

from json import detect_encoding
from typing import Any

import msgspec


def read_object(body: bytes) -> dict[str, Any] | None:
    """Return the JSON object in `body`; `None` for anything else. Never raises.

    More lenient than RFC 8259 section 8.1: a byte order mark, UTF-16 and UTF-32 are accepted, and an invalid byte
    becomes U+FFFD, so that it damages one string and not the whole object. The last of duplicate members wins.
    Stricter than the `json` module: NaN is rejected, and so is a lone surrogate, which UTF-8 cannot encode.
    """
    try:
        value = msgspec.json.decode(body.decode(detect_encoding(body), errors="replace").removeprefix("\ufeff"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
