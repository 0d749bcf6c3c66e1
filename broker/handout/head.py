"""What the hand-out reads of a request's head, in one pass. Nothing else in it changes an answer. No I/O."""

from collections.abc import Sequence

from multidict import MultiMapping

from broker.heads import forwarding_field


class Head:
    """The header fields that matter, whatever their case and order.

    `forwarded`: the field by which a proxy left its mark, one of `FORWARDING_FIELDS`, or `None`. `browser`: whether a
    web page caused the request.
    """

    __slots__ = ("_fields", "browser", "forwarded")

    def __init__(self, fields: MultiMapping[str]) -> None:
        self._fields = fields
        self.forwarded = forwarding_field(fields)
        # Not the other Sec-Fetch-*: Node's fetch sends Sec-Fetch-Mode.
        self.browser = "origin" in fields or "sec-fetch-site" in fields

    def values(self, name: str) -> Sequence[str]:
        """The values of a field, one for each line it was sent in."""
        return self._fields.getall(name, ())
