"""The row that every table of refusals is made of."""

import re

from msgspec import Struct

from broker.core.diagnosis import Act, Reason


class Row(Struct, frozen=True, kw_only=True):
    """One line of a table: what to look for, and what it means.

    A refusal fits when its `error` is one of `codes` (an empty one: it has none), its description contains one of
    `says`, its status is one of `statuses`, and the client's preset is one of `providers`; what is empty is not looked
    at. `{status}`, `{where}` and `{message}` in `cause` are filled in. A row that does not look at `providers` may name
    the provider only if nobody else says such a thing.
    """

    codes: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    statuses: tuple[int, ...] | range = ()
    providers: tuple[str, ...] = ()
    reason: Reason
    act: Act
    cause: str
    fix: str
    steps: tuple[str, ...] = ()

    @property
    def is_by_status(self) -> bool:
        """Whether it looks at nothing that the server says."""
        return not self.codes and not self.says

    def fits(self, status: int, code: str, description: str, provider: str) -> bool:
        """Whether this row is about such a refusal. `code` and `description` are `normal`."""
        return (
            (not self.codes or code in map(normal, self.codes))
            and (not self.says or self.knows(description))
            and (not self.statuses or status in self.statuses)
            and (not self.providers or provider in self.providers)
        )

    def knows(self, text: str) -> bool:
        """Whether one of its sentences is in `text`, which is `normal`."""
        return any(normal(sentence) in text for sentence in self.says)


def normal(text: str) -> str:
    """`text` without what differs between releases of a server: case, quotation marks, spacing, the last full stop."""
    unquoted = re.sub("[\"'`\u2018\u2019\u201c\u201d]", "", text)
    return " ".join(unquoted.casefold().split()).removesuffix(".")
