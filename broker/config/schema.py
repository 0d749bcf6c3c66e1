"""The JSON Schema (draft 7, which editors know best) of the file, from the types and descriptions in `settings`."""

from types import UnionType
from typing import Any, Literal, TypeAlias, get_args, get_origin

import msgspec

from broker.config.unknown import SHORTHAND, Kind
from broker.core.settings import Assertion, ClientSettings, JwtBearer, Settings, TokenSettings
from broker.providers import PRESETS

Schema: TypeAlias = dict[str, Any]
PLAIN: dict[type, Schema] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    object: {},
}
#: Keys that need not be written although settings always have them: a preset or a rule fills them in.
FILLED_IN: dict[type, tuple[str, ...]] = {
    ClientSettings: ("assertion",),
    TokenSettings: ("client",),
    Assertion: ("audience",),
}
#: Position of the short forms among the other keys.
BEFORE = {"private_key": "private_keys", "http": "clients"}
DESCRIPTIONS = {
    "private_key": "The key the client proves itself with; needed, unless there are private_keys or an assertion_file.",
    "http": "How authorization servers are reached; a client's own http goes before it.",
}
#: What a client must say besides, and what only a client without a preset must.
CLIENT: Schema = {
    "anyOf": [
        {"required": ["issuer"]},
        {"required": ["token_endpoint"]},
        {
            "required": ["provider"],
            "properties": {"provider": {"enum": [n for n, p in PRESETS.items() if "token_endpoint" in p.client]}},
        },
    ],
    "oneOf": [{"required": ["private_key"]}, {"required": ["private_keys"]}, {"required": ["assertion_file"]}],
    "if": {"properties": {"provider": {"const": "generic"}}, "not": {"required": ["assertion_file"]}},
    "then": {"required": ["assertion"], "properties": {"assertion": {"required": ["audience"]}}},
}


def schema() -> Schema:
    """The whole."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "token-broker configuration",
        **_struct(Settings),
        "description": "What the broker keeps fresh, and whom it asks; docs/configuration.md says the same in prose.",
    }


def _schema(kind: Kind) -> Schema:  # noqa: PLR0911 - one way a kind
    origin: object = get_origin(kind)
    arguments = get_args(kind)
    if hasattr(kind, "__metadata__"):
        return _constrained(_schema(kind.__origin__), kind.__metadata__[0])
    if origin is UnionType:
        inner = _schema(arguments[0])
        return inner | {"type": [inner["type"], "null"]}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0])}
    if origin is dict:
        names = _schema(arguments[0]).get("pattern")
        named = {"propertyNames": {"pattern": names}} if names else {}
        return {"type": "object", "additionalProperties": _schema(arguments[1]), **named}
    if origin is Literal:
        return {"enum": list(arguments)}
    if kind in PLAIN:
        return dict(PLAIN[kind])
    if issubclass(kind, msgspec.Struct):
        return _struct(kind)
    # Beside the form itself, a string with a variable in it.
    return {"type": "string", "pattern": rf"^({kind.PATTERN})$|\$\{{"}


def _constrained(inner: Schema, meta: msgspec.Meta) -> Schema:
    length = "minProperties" if inner.get("type") == "object" else "minItems"
    said = {
        "description": meta.description,
        "pattern": meta.pattern,
        "minimum": meta.ge,
        length: meta.min_length,
        **(meta.extra_json_schema or {}),
    }
    return inner | {key: value for key, value in said.items() if value is not None}


def _struct(kind: type[msgspec.Struct]) -> Schema:
    known = msgspec.structs.fields(kind)
    properties: Schema = {}
    for field in known:
        for name, inner in SHORTHAND.get(kind, {}).items():
            if BEFORE[name] == field.name:
                properties[name] = _schema(inner) | {"description": DESCRIPTIONS[name]}
        properties[field.name] = _schema(field.type) | _default(field)
        # A list that may be left out but not be empty.
        if "minItems" in properties[field.name] and field.default == ():
            del properties[field.name]["default"]
    made: Schema = {
        "description": (kind.__doc__ or "").partition("\n")[0],
        "type": "object",
        "properties": properties,
        "required": [f.name for f in known if f.required and f.name not in FILLED_IN.get(kind, ())],
        "additionalProperties": False,
    }
    if kind is ClientSettings:
        properties["provider"]["enum"] = list(PRESETS)
        properties["dpop"]["type"] = ["boolean", "object", "null"]
        made |= CLIENT
    if kind is TokenSettings:
        properties["grant"] = _grant(properties["grant"])
    return made


def _grant(words: Schema) -> Schema:
    """The word, or an object with it as its one key."""
    bearer = {
        "type": "object",
        "properties": {"jwt_bearer": _struct(JwtBearer)},
        "required": ["jwt_bearer"],
        "additionalProperties": False,
    }
    described = {key: words[key] for key in ("description", "default")}
    return {"anyOf": [{"enum": words["enum"]}, bearer], **described}


def _default(field: msgspec.structs.FieldInfo) -> Schema:
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if default is None or default is msgspec.NODEFAULT or isinstance(default, msgspec.Struct):
        return {}
    plain = msgspec.to_builtins(default, enc_hook=str)
    return {"default": list(plain) if isinstance(plain, tuple) else plain}
