"""A strict pattern for the request heads that are answered without aiohttp. No I/O.

It matches a subset of what HTTP allows and aiohttp accepts; all other heads are left to aiohttp.
tests/fuzz/test_strict_head.py compares the two.
"""

import re
from collections.abc import Iterable
from typing import Final

from multidict import CIMultiDict

from broker.core.settings import Limits
from broker.workload_api.head import DECIDING_FIELDS

#: Longest head to match, in bytes; this takes 40 µs.
MAX_HEAD_BYTES: Final = 4096

#: Fields that aiohttp interprets: framing, connection options, and those it permits only once. A request with one of
#: them is left to aiohttp, except for `_HARMLESS` values.
TRANSPORT_FIELDS: Final = (
    *("Connection", "Proxy-Connection", "Content-Length", "Transfer-Encoding", "Content-Encoding", "Upgrade", "Expect"),
    *("Sec-WebSocket-Key1", "Content-Location", "Content-Range", "ETag", "Max-Forwards", "Server"),
)


def _any_of(names: Iterable[str]) -> bytes:
    """A case-insensitive pattern for these field names with their colon; `*` matches any suffix."""
    return b"(?i:%b):" % "|".join(re.escape(name).replace(r"\*", "[^:]*+") for name in names).encode()


# Possessive quantifiers keep matching linear in the input. Targets are token paths with valid names, without query.
_TARGET: Final = rb"/v1/token(?:s/[a-z0-9._-]++)?+"
_NAME: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++:"
_VALUE: Final = rb"(?:[!-~][ -~]*+(?<! ))?+"
#: `keep-alive` is the default of HTTP/1.1. Java's client offers an upgrade to HTTP/2, which an HTTP/1.1 response
#: declines (RFC 9110 section 7.8).
_HARMLESS: Final = rb"Connection: ?(?:keep-alive|Upgrade, HTTP2-Settings)|Upgrade: ?h2c"
_FIELD: Final = rb"(?:(?!%b)%b ?+%b|(?i:%b))\r\n" % (_any_of(TRANSPORT_FIELDS), _NAME, _VALUE, _HARMLESS)
_LINES: Final = re.compile(rb"(%b[^\r]*+\r\n)|[^\r]*+\r\n" % _any_of(DECIDING_FIELDS))


class HeadPattern:
    """Matches heads within `limits`."""

    def __init__(self, limits: Limits) -> None:
        self._longest = min(MAX_HEAD_BYTES, limits.line, limits.field)  # so that no line or field exceeds its limit
        self._head = re.compile(rb"GET (%b) HTTP/1\.1\r\n((?:%b){1,%d}+)\r\n" % (_TARGET, _FIELD, limits.fields))

    def match(self, data: bytes) -> tuple[bytes, list[bytes]] | None:
        """The raw target, and the raw lines of deciding fields, with an empty item for each other line.

        `None` unless `data` is exactly one head that the pattern accepts.
        """
        if len(data) > self._longest or not (found := self._head.fullmatch(data)):
            return None
        target, fields = found.groups()
        if fields.lower().count(b"user-agent:") > 1:  # aiohttp permits one
            return None
        return target, _LINES.findall(fields)


def deciding_fields(lines: Iterable[bytes]) -> CIMultiDict[str] | None:
    """The deciding fields of a matched head; `None` if one is repeated or missing in a way that aiohttp rejects."""
    fields: CIMultiDict[str] = CIMultiDict()
    for line in filter(None, lines):
        name, _, value = line.decode("ascii").partition(":")
        fields.add(name, value.strip(" \r\n"))
    one_host = len(fields.getall("Host", ())) == 1
    return fields if one_host and len(fields.getall("Content-Type", ())) <= 1 else None
