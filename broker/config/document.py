"""A configuration as written: plain values, their origins, and complaints about them."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from msgspec import Struct

#: A path from the root: keys and list positions.
Place = tuple[str | int, ...]
Complain = Callable[[Place, str], None]
#: A dict with text keys, a list, text, a number, a boolean, None or BROKEN.
Tree: TypeAlias = Any


class Broken:
    """Placeholder for a rejected value, so that no later step complains about it again."""


BROKEN: Final = Broken()


class Origin(Struct, frozen=True):
    """Where a value was written: a file, with line and place there, or a variable (line 0)."""

    label: str
    line: int = 0
    place: Place = ()


@dataclass(slots=True)
class Document:
    """A tree of values with origins and complaints. `origins` has at least the root, `()`."""

    tree: dict[str, Tree]
    origins: dict[Place, Origin]
    complaints: list[tuple[Place, str]] = field(default_factory=list)

    def complain(self, place: Place, text: str) -> None:
        """Record a complaint about `place`; an unwritten value has the origin of its nearest written parent."""
        self.complaints.append((place, text))

    def complained(self, place: Place) -> bool:
        """Whether there is a complaint about `place` or anything below it."""
        return any(old[: len(place)] == place for old, _ in self.complaints)

    def also(self, old: Place, new: Place, value: object) -> None:
        """Copy the origins of `value` from `old` to `new`; complaints keep naming `old`."""
        if origin := self.origins.get(old):
            self.origins.setdefault(new, origin)
        if isinstance(value, dict | list):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                self.also((*old, key), (*new, key), inner)

    def sentences(self) -> list[str]:
        """Return the complaints as text, ordered by line, without duplicates."""
        found = [(self._origin(place), text) for place, text in self.complaints]
        return list(dict.fromkeys(_sentence(o, text) for o, text in sorted(found, key=lambda pair: pair[0].line)))

    def _origin(self, place: Place) -> Origin:
        end = next(end for end in range(len(place), -1, -1) if place[:end] in self.origins)
        origin = self.origins[place[:end]]
        return Origin(origin.label, origin.line, origin.place + place[end:])


def dotted(place: Place) -> str:
    """`clients.okta.private_keys[0].file`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in place).removeprefix(".")


def shown(key: str) -> str:
    """Return a key for display: truncated, and quoted if it has unusual characters."""
    return key if re.fullmatch(r"[A-Za-z0-9_.-]{1,63}", key) else f"{key!r:.40}"


def _sentence(origin: Origin, text: str) -> str:
    parts = [f"{origin.label}:{origin.line}" if origin.line else origin.label, dotted(origin.place), text]
    return ": ".join(part for part in parts if part)
