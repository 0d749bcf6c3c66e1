"""What the hand-out reads of a request's head, in one pass. Nothing else in it changes an answer. No I/O."""

from collections.abc import Sequence

from multidict import MultiMapping


class Head:
    """The header fields that matter, whatever their case and order.

    `forwarded`: a proxy left its mark (`Forwarded`, `X-Forwarded-*`, `Via`). `browser`: a web page caused the request.
    """

    __slots__ = ("_fields", "browser", "forwarded")

    def __init__(self, fields: MultiMapping[str]) -> None:
        self._fields = fields
        # One string to search is a third of the price of a loop; no name holds the end of a line.
        names = "\n".join(("", *fields, "")).lower()
        self.forwarded = "\nx-forwarded-" in names or "\nforwarded\n" in names or "\nvia\n" in names
        # Not the other Sec-Fetch-*: Node's fetch sends Sec-Fetch-Mode.
        self.browser = "\norigin\n" in names or "\nsec-fetch-site\n" in names

    def values(self, name: str) -> Sequence[str]:
        """The values of a field, one for each line it was sent in."""
        return self._fields.getall(name, ())
