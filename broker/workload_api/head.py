"""What the hand-out reads of a request's head, in one pass. Nothing else in it changes an answer. No I/O."""

from collections.abc import Sequence
from typing import Final

from multidict import MultiMapping, istr

from broker.http_server.request_rules import FORWARDING_FIELDS, forwarding_field

#: Fields that browsers add to what a web page requests. Not the other Sec-Fetch-*: Node's fetch sends Sec-Fetch-Mode.
BROWSER_FIELDS: Final = ("Origin", "Sec-Fetch-Site")
#: Fields whose values matter.
_READ: Final = {name.lower(): istr(name) for name in ("Host", "Metadata", "Accept", "Authorization", "Content-Type")}
#: All that can change an answer; `*` is any ending. The response cache looks at no other field, and `Head` gives none.
DECIDING_FIELDS: Final = (*_READ.values(), *FORWARDING_FIELDS, *BROWSER_FIELDS)


class Head:
    """The header fields that matter, whatever their case and order.

    `forwarded`: the field by which a proxy left its mark, one of `FORWARDING_FIELDS`, or `None`. `browser`: whether a
    web page caused the request.
    """

    __slots__ = ("_fields", "browser", "forwarded")

    def __init__(self, fields: MultiMapping[str]) -> None:
        self._fields = fields
        self.forwarded = forwarding_field(fields)
        self.browser = any(name in fields for name in BROWSER_FIELDS)

    def values(self, name: str) -> Sequence[str]:
        """The values of a field, one for each line it was sent in. Raises KeyError if it is none of `_READ`."""
        return self._fields.getall(_READ[name], ())
