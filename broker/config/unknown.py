"""Suggestions for unknown keys."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any, TypeAlias, get_args, get_origin

import msgspec

from broker.core.settings import ClientSettings, Http, KeySettings, Settings

#: A type annotation in `settings`.
Kind: TypeAlias = Any
#: Minimum similarity; suggestions below it mislead.
LIKENESS = 0.75
#: Keys that `shorthand` expands before decoding, and their types.
SHORTHAND: dict[type, dict[str, Kind]] = {Settings: {"http": Http}, ClientSettings: {"private_key": KeySettings}}


def closest(word: str, known: Iterable[str]) -> str | None:
    """Return the closest match to `word` in `known`, if close enough."""
    matches = get_close_matches(word[:64], list(known), n=1, cutoff=LIKENESS)
    return matches[0] if matches else None


def nearest(word: str, known: Iterable[str]) -> str:
    """`, did you mean 'x'?`, or nothing."""
    match = closest(word, known)
    return f", did you mean {match!r}?" if match else ""


def unknown(key: str, kind: type[msgspec.Struct]) -> str:
    """The complaint about `key` where a `kind` is written."""
    known = [*kind.__struct_fields__, *SHORTHAND.get(kind, {})]
    if meant := nearest(key, known):
        return f"unknown key {key!r:.60}{meant}"
    if homes := [home for home, name in _keys(Settings, "") if name == key]:
        return f"unknown key {key!r:.60}; it belongs {' or '.join(dict.fromkeys(homes))}"
    return f"unknown key {key!r:.60}; known here are {', '.join(known)}"


def _keys(kind: Kind, home: str) -> Iterator[tuple[str, str]]:
    """Yield every known key with its section."""
    origin: object = get_origin(kind)
    if origin in {dict, tuple} or hasattr(kind, "__metadata__"):
        suffix = ".NAME" if origin is dict else ""
        for inner in get_args(kind)[:2]:
            yield from _keys(inner, home + suffix)
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        fields = SHORTHAND.get(kind, {}) | {field.name: field.type for field in msgspec.structs.fields(kind)}
        for name, inner in fields.items():
            yield f"in {home}" if home else "at the top level", name
            yield from _keys(inner, f"{home}.{name}".removeprefix("."))
