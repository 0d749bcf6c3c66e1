"""The request heads that may be answered without aiohttp: one strict pattern. No I/O.

It accepts less than HTTP allows and less than aiohttp accepts; whatever it does not match is aiohttp's to judge.
tests/fuzz/test_strict_head.py compares the two.
"""

import re
from collections.abc import Iterable
from typing import Final

from multidict import CIMultiDict

from broker.handout.head import DECIDING_FIELDS
from broker.settings import Limits

#: Bytes of the longest head; matching one costs 40 µs.
LONGEST_HEAD: Final = 4096

#: Fields on which aiohttp acts itself: framing, connection options, and those that it permits only once. A request
#: with one of them is left to aiohttp, except for `Connection: keep-alive`.
TRANSPORT_FIELDS: Final = (
    *("Connection", "Proxy-Connection", "Content-Length", "Transfer-Encoding", "Content-Encoding", "Upgrade", "Expect"),
    *("Sec-WebSocket-Key1", "Content-Location", "Content-Range", "ETag", "Max-Forwards", "Server"),
)

# Possessive quantifiers: no input makes the match take more than linear time. The targets are those of tokens whose
# names the configuration permits, without a query.
_TARGET: Final = rb"/v1/token(?:s/[a-z0-9._-]++)?+"
_NAME: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_VALUE: Final = rb"(?:[!-~][ -~]*+(?<! ))?+"


class HeadPattern:
    """Matches the heads that keep within `limits`."""

    def __init__(self, limits: Limits) -> None:
        self._longest = min(LONGEST_HEAD, limits.line, limits.field)  # so no line and no field can exceed its limit
        head = rb"GET (%b) HTTP/1\.1\r\n((?:%b: ?+%b\r\n){1,%d}+)\r\n" % (_TARGET, _NAME, _VALUE, limits.fields)
        self._head = re.compile(head)
        names = _alternation((*DECIDING_FIELDS, *TRANSPORT_FIELDS))
        self._lines = re.compile(rb"((?:%b):[^\r]*+\r\n)|[^\r]*+\r\n" % names, re.IGNORECASE)

    def match(self, data: bytes) -> tuple[bytes, list[bytes]] | None:
        """The target of a head, and its lines with deciding and transport fields, as sent; all others are empty.

        `None` if `data` is anything else than one whole head that the pattern accepts.
        """
        if len(data) > self._longest or not (found := self._head.fullmatch(data)):
            return None
        target, fields = found.groups()
        if fields.lower().count(b"user-agent:") > 1:  # aiohttp permits one
            return None
        return target, self._lines.findall(fields)


def deciding_fields(lines: Iterable[bytes]) -> CIMultiDict[str] | None:
    """The deciding fields among the lines of a matched head; `None` if aiohttp may refuse it, or has to act on it."""
    fields = CIMultiDict(_pairs(lines))
    connection = fields.popall("Connection", ["keep-alive"])
    if [value.lower() for value in connection] != ["keep-alive"] or any(name in fields for name in TRANSPORT_FIELDS):
        return None
    one_host = len(fields.getall("Host", ())) == 1
    return fields if one_host and len(fields.getall("Content-Type", ())) <= 1 else None


def _pairs(lines: Iterable[bytes]) -> Iterable[tuple[str, str]]:
    for line in lines:
        if line:
            name, _, value = line.decode("ascii").partition(":")
            yield name, value.strip(" \r\n")


def _alternation(names: Iterable[str]) -> bytes:
    """A pattern for any of these field names; `*` stands for any ending."""
    return "|".join(re.escape(name).replace(r"\*", "[^:]*+") for name in names).encode()
