"""The header fields that can influence a response of the workload API. No I/O."""

from collections.abc import Sequence
from typing import Final

from multidict import MultiMapping, istr

from broker.http_server.request_rules import FORWARDING_FIELDS, forwarding_field

#: Fields that browsers add to requests of a web page. Sec-Fetch-Mode is not one: Node's fetch sends it too.
BROWSER_FIELDS: Final = ("Origin", "Sec-Fetch-Site")
#: Fields whose values are read.
_READ: Final = {name.lower(): istr(name) for name in ("Host", "Metadata", "Accept", "Authorization", "Content-Type")}
#: All fields that can change a response; `*` matches any suffix. `Head` and the response cache use no others.
DECIDING_FIELDS: Final = (*_READ.values(), *FORWARDING_FIELDS, *BROWSER_FIELDS)


class Head:
    """The relevant header fields of a request, case-insensitive.

    `forwarded`: the field that reveals a proxy, one of `FORWARDING_FIELDS`, or `None`.
    `browser`: whether a web page sent the request.
    """

    __slots__ = ("_fields", "browser", "forwarded")

    def __init__(self, fields: MultiMapping[str]) -> None:
        self._fields = fields
        self.forwarded = forwarding_field(fields)
        self.browser = any(name in fields for name in BROWSER_FIELDS)

    def values(self, name: str) -> Sequence[str]:
        """The values of a field, one per field line. Raises KeyError for a field that is not in `_READ`."""
        return self._fields.getall(_READ[name], ())
