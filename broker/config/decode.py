"""A tree of plain values -> typed settings. Collects all complaints instead of stopping at the first."""

import re
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeAlias, get_args, get_origin

import msgspec

from broker.config.document import BROKEN, Complain, Place, Tree
from broker.config.text import fault
from broker.config.unknown import Kind, closest, nearest, unknown
from broker.config.yaml12 import Fraction
from broker.core.durations import Ahead, Duration, Wait
from broker.core.settings import Settings

#: A value of the requested type, or BROKEN.
Made: TypeAlias = Any
#: What to write for a required key.
MISSING = {
    "clients": "'clients' is missing: there must be one at least, with issuer, client_id and private_key",
    "tokens": "'tokens' is missing: there must be one at least, for example 'default: {scopes: [read]}'",
    "audience": "'audience' is missing: servers differ; write token_endpoint, issuer or a literal, or a provider",
    "client": "'client' is missing; it may be left out only when there is exactly one client",
}
KINDS: dict[type, str] = {
    str: "text",
    int: "a number",
    Fraction: "a number with a fraction",
    list: "a list",
    dict: "keys",
}
#: Defaults for these would make rules complain about values that were never written.
DECISIVE = ("issuer", "token_endpoint", "proxy", "private_keys", "assertion_file")


class Decoder:
    """Builds settings; file paths are relative to `folder`.

    What is broken and could have been left out is replaced by its default, so that the rules still see the rest.
    """

    def __init__(self, complain: Complain, folder: str) -> None:
        self.complain = complain
        self.folder = folder

    def settings(self, tree: dict[str, Tree]) -> Settings:
        """Build settings from `tree`, with defaults in place of broken values; usable only without complaints."""
        made, _ = self._members(tree, Settings, ())
        return Settings(**{"clients": {}, "tokens": {}, **made})

    def decode(self, value: Tree, kind: Kind, place: Place) -> Made:  # noqa: PLR0911 - one way a kind
        """Decode `value` as type `kind`, or return BROKEN."""
        if value is BROKEN:
            return BROKEN
        origin: object = get_origin(kind)
        arguments = get_args(kind)
        if hasattr(kind, "__metadata__"):
            return self._constrained(value, kind.__origin__, kind.__metadata__[0], place)
        if origin is UnionType:
            return self.decode(value, arguments[0], place)
        if origin is tuple:
            return self._list(value, arguments[0], place)
        if origin is dict:
            return self._mapping(value, arguments[0], arguments[1], place)
        if origin is Literal:
            return self._choice(value, arguments, place)
        if kind is object:
            return self._json(value, place)
        if issubclass(kind, msgspec.Struct):
            return self._struct(value, kind, place)
        return self._scalar(value, kind, place)

    def _wrong(self, place: Place, text: str) -> Made:
        self.complain(place, text)
        return BROKEN

    def _members(
        self, value: dict[str, Tree], kind: type[msgspec.Struct], place: Place
    ) -> tuple[dict[str, Tree], bool]:
        """Return the decoded members of `kind`, and whether they suffice to build one."""
        known = fields(kind)
        strange = [key for key in value if key not in known]
        for key in strange:
            self.complain((*place, key), unknown(key, kind))
        made: dict[str, Tree] = {}
        enough = True
        for name, field in known.items():
            if value.get(name) is not None:
                made[name] = self.decode(value[name], field.type, (*place, name))
            elif field.required:
                made[name] = BROKEN
                if not any(closest(key, known) == name for key in strange):
                    self.complain(place, MISSING.get(name, f"{name!r} is missing"))
            if made.get(name) is BROKEN:
                del made[name]
                enough &= not field.required and name not in DECISIVE
            elif name in made and (name in ("file", "path") or name.endswith("_file")):
                made[name] = str(Path(self.folder, made[name]))
        return made, enough

    def _struct(self, value: Tree, kind: type[msgspec.Struct], place: Place) -> Made:
        if not isinstance(value, dict):
            return self._wrong(place, f"must hold keys ({', '.join(list(fields(kind))[:3])}, …), not {what(value)}")
        made, enough = self._members(value, kind, place)
        return kind(**made) if enough else BROKEN

    def _list(self, value: Tree, kind: Kind, place: Place) -> Made:
        if not isinstance(value, list):
            return self._wrong(place, f"must be a list, like [a, b], not {what(value)}")
        items = [self.decode(item, kind, (*place, position)) for position, item in enumerate(value)]
        return BROKEN if any(item is BROKEN for item in items) else tuple(items)

    def _mapping(self, value: Tree, key: Kind, kind: Kind, place: Place) -> Made:
        if not isinstance(value, dict):
            return self._wrong(place, f"must hold keys, not {what(value)}")
        items = {
            name: self.decode(item, kind, (*place, name))
            for name, item in value.items()
            if self.decode(name, key, (*place, name)) is not BROKEN
        }
        return {name: item for name, item in items.items() if item is not BROKEN}

    def _choice(self, value: Tree, choices: tuple[str, ...], place: Place) -> Made:
        if value in choices:
            return value
        if not isinstance(value, str):
            return self._wrong(place, f"must be one of {', '.join(choices)}, not {what(value)}")
        meant = nearest(value, choices)
        return self._wrong(place, f"{value!r:.60} is not one of {', '.join(choices)}{meant}")

    def _scalar(self, value: Tree, kind: type, place: Place) -> Made:
        if kind in {bool, int}:
            if type(value) is kind:
                return value
            expected = "true or false" if kind is bool else "a whole number"
            return self._wrong(place, f"must be {expected}, not {what(value)}")
        if issubclass(kind, Duration | Wait | Ahead):
            if isinstance(value, bool | dict | list):
                return self._wrong(place, f"must be a duration like 300s, 5m or 1h, not {what(value)}")
            try:
                return kind.parse(value)
            except ValueError as error:
                said = str(error)
                if issubclass(kind, Ahead) and re.fullmatch(r"[0-9]+(\.[0-9]+)?", text := f"{value!s:.20}"):
                    said = (
                        f"{text} has no unit; write {text}s if seconds are meant, or a share of the lifetime like 20%"
                    )
                return self._wrong(place, said)
        return self._text(value, place)

    def _text(self, value: Tree, place: Place) -> Made:
        if isinstance(value, bool | dict | list) or value is None:
            quotes = "; put quotes around it" if isinstance(value, bool) else ""
            return self._wrong(place, f"must be text, not {what(value)}{quotes}")
        if wrong := fault(str(value)):
            return self._wrong(place, wrong)
        return str(value)

    def _json(self, value: Tree, place: Place) -> Made:
        """Decode any JSON value, for a claim."""
        if isinstance(value, dict):
            return self._mapping(value, object, object, place)
        if isinstance(value, list):
            items = [self.decode(item, object, (*place, position)) for position, item in enumerate(value)]
            return BROKEN if any(item is BROKEN for item in items) else items
        return float(value) if isinstance(value, Fraction) else value

    def _constrained(self, value: Tree, kind: Kind, meta: msgspec.Meta, place: Place) -> Made:
        if meta.min_length is not None and isinstance(value, dict | list) and len(value) < meta.min_length:
            return self._wrong(place, "is empty; it must hold one entry at least")
        made = self.decode(value, kind, place)
        if made is BROKEN:
            return BROKEN
        if meta.ge is not None and made < meta.ge:
            return self._wrong(place, f"must be at least {meta.ge}")
        if meta.pattern is not None and not re.search(meta.pattern, made):
            return self._wrong(
                place,
                f"{made!r:.80} is not a name: those are of a-z, 0-9, '.', '_' and '-', begin and end with a letter or"
                " digit and have 63 characters at most",
            )
        return made


@cache
def fields(kind: type[msgspec.Struct]) -> dict[str, msgspec.structs.FieldInfo]:
    """The keys of a section, with their types."""
    return {field.name: field for field in msgspec.structs.fields(kind)}


def what(value: object) -> str:
    """Describe a value's type without the value, which may be a misplaced secret."""
    return str(value).lower() if isinstance(value, bool) else KINDS.get(type(value), "nothing")
