"""The request heads that may be answered without aiohttp: one strict pattern. No I/O.

It accepts less than HTTP allows and less than aiohttp accepts; whatever it does not match is aiohttp's to judge.
tests/fuzz/test_strict_head.py compares the two.
"""

import re
from collections.abc import Iterable
from typing import Final

from multidict import CIMultiDict

from broker.core.settings import Limits
from broker.workload_api.head import DECIDING_FIELDS

#: Bytes of the longest head; matching one costs 40 µs.
LONGEST_HEAD: Final = 4096

#: Fields on which aiohttp acts itself: framing, connection options, and those that it permits only once. A request
#: with one of them is left to aiohttp, except for `_HARMLESS` ones.
TRANSPORT_FIELDS: Final = (
    *("Connection", "Proxy-Connection", "Content-Length", "Transfer-Encoding", "Content-Encoding", "Upgrade", "Expect"),
    *("Sec-WebSocket-Key1", "Content-Location", "Content-Range", "ETag", "Max-Forwards", "Server"),
)


def _any_of(names: Iterable[str]) -> bytes:
    """A pattern for these field names with their colon, in any case; `*` stands for any ending."""
    return b"(?i:%b):" % "|".join(re.escape(name).replace(r"\*", "[^:]*+") for name in names).encode()


# Possessive quantifiers: no input makes the match take more than linear time. The targets are those of tokens whose
# names the configuration permits, without a query.
_TARGET: Final = rb"/v1/token(?:s/[a-z0-9._-]++)?+"
_NAME: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++:"
_VALUE: Final = rb"(?:[!-~][ -~]*+(?<! ))?+"
#: `keep-alive` changes nothing, and an offer of HTTP/2, as Java's client makes, is declined by an answer in HTTP/1.1
#: (RFC 9110 section 7.8).
_HARMLESS: Final = rb"Connection: ?(?:keep-alive|Upgrade, HTTP2-Settings)|Upgrade: ?h2c"
_FIELD: Final = rb"(?:(?!%b)%b ?+%b|(?i:%b))\r\n" % (_any_of(TRANSPORT_FIELDS), _NAME, _VALUE, _HARMLESS)
_LINES: Final = re.compile(rb"(%b[^\r]*+\r\n)|[^\r]*+\r\n" % _any_of(DECIDING_FIELDS))


class HeadPattern:
    """Matches the heads that keep within `limits`."""

    def __init__(self, limits: Limits) -> None:
        self._longest = min(LONGEST_HEAD, limits.line, limits.field)  # so no line and no field can exceed its limit
        self._head = re.compile(rb"GET (%b) HTTP/1\.1\r\n((?:%b){1,%d}+)\r\n" % (_TARGET, _FIELD, limits.fields))

    def match(self, data: bytes) -> tuple[bytes, list[bytes]] | None:
        """The target of a head, and its lines with a deciding field, as sent; the other lines are empty.

        `None` if `data` is anything else than one whole head that the pattern accepts.
        """
        if len(data) > self._longest or not (found := self._head.fullmatch(data)):
            return None
        target, fields = found.groups()
        if fields.lower().count(b"user-agent:") > 1:  # aiohttp permits one
            return None
        return target, _LINES.findall(fields)


def deciding_fields(lines: Iterable[bytes]) -> CIMultiDict[str] | None:
    """The deciding fields among the lines of a matched head; `None` if aiohttp refuses how often one was sent."""
    fields: CIMultiDict[str] = CIMultiDict()
    for line in filter(None, lines):
        name, _, value = line.decode("ascii").partition(":")
        fields.add(name, value.strip(" \r\n"))
    one_host = len(fields.getall("Host", ())) == 1
    return fields if one_host and len(fields.getall("Content-Type", ())) <= 1 else None
