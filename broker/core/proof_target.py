"""URLs that a proof may name, read so strictly that every other reader sees the same host and path. No I/O."""

import re
from ipaddress import IPv6Address
from typing import Final
from urllib.parse import unquote

from msgspec import Struct
from yarl import URL

from broker.core.urls import LOOPBACK

_PORTS: Final = {"https": 443, "http": 80}
# RFC 3986 section 3 in ASCII, without what has fooled URL parsers: a user before the host, a backslash, an empty or
# padded port, a dot at the host's end, letters that other alphabets share. What a query holds is no part of a proof.
_URL: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:(?P<port>[1-9][0-9]{0,4}))?"
    r"(?P<path>/([a-z0-9._~!$&'()*+,;=:@/-]|%[0-9a-f]{2})*)?(\?[\x21\x22\x24-\x7e]*)?(\#[\x21-\x7e]*)?",
    re.ASCII | re.IGNORECASE,
)
# Clients resolve these before they send (RFC 3986 section 5.2.4), so that no proof with them would ever fit; servers
# that decode first, or again, resolve the encoded ones.
_DOTS: Final = frozenset({".", ".."})
#: How often a path may be decoded until nothing is left to decode. Gateways in a row decode twice; APIs need no more.
_DECODINGS: Final = 4


class Place(Struct, frozen=True):
    """A URL without query and fragment. `origin` has no port where that is the scheme's own; `path` is never empty."""

    origin: str
    path: str

    def __str__(self) -> str:
        """The URL, normalised as RFC 3986 sections 6.2.2.1 and 6.2.3 have it; the path is as it was written."""
        return self.origin + self.path


def place_of(url: str) -> Place | None:
    """Where `url` leads, an absolute one of https (on loopback of http too); `None` for anything else, or in doubt."""
    match = _URL.fullmatch(url)
    if match is None or not _is_plain(match["path"] or ""):
        return None
    scheme, host, port = match["scheme"].lower(), match["host"].lower(), int(match["port"] or 0)
    if port > 65535 or (scheme == "http" and host.strip("[]") not in LOOPBACK):
        return None
    if host.startswith("[") and not _is_shortest(host[1:-1]):
        return None
    written = f":{port}" if port not in (0, _PORTS[scheme]) else ""
    return Place(f"{scheme}://{host}{written}", match["path"] or "/")


def is_same(place: Place, endpoint: str) -> bool:
    """Whether `place` could be taken for the token endpoint `endpoint`, a usable URL, by a server that is generous.

    An encoded slash, backslash or percent sign is part of many an API's names, so a path may have them, unless it is
    the endpoint's once they are read as what they stand for.
    """
    there = URL(endpoint)
    port = f":{there.port}" if there.port != _PORTS.get(there.scheme) else ""
    host = (there.raw_host or "").rstrip(".")  # of `https://bücher.example.` what a place would say
    host = f"[{host}]" if ":" in host else host
    return place.origin == f"{there.scheme}://{host}{port}" and _loosely(place.path) == _loosely(there.raw_path)


def _is_shortest(host: str) -> bool:
    """Whether it is an IPv6 address as RFC 5952 section 4 has it: a client would send any other in another form."""
    try:
        return IPv6Address(host).compressed == host
    except ValueError:
        return False


def _is_plain(path: str) -> bool:
    """Whether no server finds `.`, `..` or a NUL in it, which ends the path for some (RFC 3986 section 7.3)."""
    read = _decoded(path)
    return unquote(read) == read and "\0" not in read and _DOTS.isdisjoint(map(_bare, re.split(r"[/\\?#]", read)))


def _loosely(path: str) -> str:
    """Segments, decoded, in any case, divided by backslashes too, empty ones and an encoded query left out."""
    read = re.split(r"[?#]", _decoded(path).lower(), maxsplit=1)[0]
    return "/".join(filter(None, map(_bare, re.split(r"[/\\]", read))))


def _decoded(path: str) -> str:
    for _ in range(_DECODINGS):
        path = unquote(path)
    return path


def _bare(segment: str) -> str:
    """Without parameters (`;v=1`) and the white space around."""
    return segment.partition(";")[0].strip()
