"""What may be judged from a request's head alone, by rules that both listeners share.

The head was written by a stranger: nothing of it is ever repeated, neither in an answer nor in the log.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from msgspec import Struct

#: Why a request was turned away, every one there is: the values of `reason` of `token_broker_requests_refused_total`.
REFUSALS = (
    "malformed",  # not HTTP/1.x, or a head above the limits
    "slow_head",  # a head that was begun and not finished in time
    "evicted",  # a connection closed to make room, or because its client did not read
    "connection_limit",  # one connection too many, and none that could be evicted; closed unread
    "target",  # an absolute URL, or anything else than a path, in the request line
    "host",  # `Host` names neither this machine nor an allowed name
    "forwarded",  # a proxy passed it on
    "browser",  # a web page caused it
    "metadata_header",  # `Metadata: true` is missing
    "content_type",  # a POST that an HTML form could have sent
    "caller",  # a caller's secret is needed, and is missing or wrong
    "permission",  # the caller is not on the token's list, or wants a proof for somewhere else than `dpop.targets`
)

#: Fields that only a proxy sets, to name the client or itself. The one list for both listeners; `*` is any ending.
FORWARDING_FIELDS = (
    "Forwarded",
    "X-Forwarded-*",
    "Via",
    "X-Real-IP",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Envoy-External-Address",
)
_FORWARDING = [(f"\n{name.lower()}\n".removesuffix("*\n"), name) for name in FORWARDING_FIELDS]

# RFC 9110 section 7.2: uri-host [":" port]; registered names as DNS has them.
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?", re.IGNORECASE)

# Parsing an address takes longer than all other rules together.
_USUAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Refusal(Struct, frozen=True, kw_only=True):
    """A request that is not served: `reason` is one of `REFUSALS`, `description` says what to do instead."""

    status: int
    error: str
    reason: str
    description: str


def is_path(target: str) -> bool:
    """Whether the request line holds a path (origin-form, RFC 9112 section 3.2.1).

    An absolute-form target overrides `Host` (section 3.2.2), so a rule that looks at `Host` would look past it.
    """
    return target.startswith("/")


def host_permitted(hosts: Sequence[str], *, allowed: Collection[str], any_address: bool = False) -> bool:
    """Whether the values of `Host` are one that this machine answers to: the defence against DNS rebinding.

    `localhost`, a loopback address (with `any_address` any address: those cannot be rebound) or a name of `allowed`
    (lower case), with any port.
    """
    if len(hosts) != 1 or not (match := _HOST.fullmatch(hosts[0])):
        return False
    name = match[1].lower()
    if name in _USUAL or name in allowed:
        return True
    address = _address(name)
    return address is not None and (any_address or address.is_loopback)


def forwarding_field(names: Iterable[str]) -> str | None:
    """The first of `FORWARDING_FIELDS`, in its spelling, that is among these field names; `None` if there is none."""
    # One string to search is a third of the price of a loop over the names; no name holds a line break.
    lines = "\n".join(("", *names, "")).lower()
    for part, field in _FORWARDING:
        if part in lines:
            return field
    return None


def _address(name: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(name[1:-1] if name.startswith("[") else name)
    except ValueError:
        return None
