"""The configuration reference for people, in Markdown, from the schema, the providers' table and the variables."""

from collections.abc import Iterator, Mapping
from typing import Any

from broker.config.document import dotted
from broker.config.environment import CONFIG, FORM, OVERRIDES, TOKENS
from broker.config.resolve import DEFAULT_PATH
from broker.config.schema import Schema, schema
from broker.core.durations import Duration
from broker.providers import PRESETS, Preset

INTRODUCTION = f"""\
# Configuration

<!-- Written by `token-broker config schema --markdown`; change the descriptions in broker/core/settings.py instead. -->

One YAML file, read once at start: `--config FILE`, else `${CONFIG}`, else `{DEFAULT_PATH}`; or [variables](#variables)
and no file. `config/` holds an annotated example for each provider, `token-broker config show` prints what a file comes
to, presets and defaults included, and `# yaml-language-server: $schema=…/config/schema.json` in the first line lets an
editor help.

* A key that does not exist is an error, which names the nearest one that does. All errors are told at once, with their
  lines.
* A key that is `null` counts as not written.
* Durations have a unit: `300s`, `5m`, `1h30m`, `500ms`.
* Only `true` and `false` are booleans, and what looks like a date or has a leading zero stays text (YAML 1.2).
* `${{VAR}}` in a value is replaced by the environment variable, once, after the file is read; an unset or empty one is
  an error. `$$` is a dollar sign. `parameters` and `claims` take no variables, because secrets would land there, and a
  proxy's password is refused in its URL: each has a key ending in `_file`, which takes a file's path instead.
* Paths of files are relative to the folder of the configuration file.
* The file is not read again while the broker runs: a change is logged and shown as `token_broker_config_stale` 1.
"""

VARIABLES = f"""
## Variables

Without a file these make one client and one token, both called `default`; scopes are separated by spaces. Together with
a file they are an error. A path is relative to the working directory, an empty variable counts as not set.

{{form}}

These go over what is written, in a file or in the variables above; lists are separated by commas.

{{overrides}}
| `{TOKENS}` | the only tokens, by name, that are fetched and served; their clients' keys are the only ones read |

Every other `TOKEN_BROKER_…` is ignored: Kubernetes sets some for a Service that is called token-broker.
"""


def reference() -> str:
    """The whole page."""
    whole = schema()
    sections = [INTRODUCTION]
    for name, section in whole["properties"].items():
        entry = section.get("additionalProperties")
        title = f"{name}.NAME" if entry else name
        sections.append(f"\n## {title}\n\n{section['description']}\n\n" + _table(_rows(entry or section)))
    sections += [_providers(), _variables()]
    return "".join(sections)


def _rows(section: Schema, prefix: str = "") -> Iterator[tuple[str, ...]]:
    needed = section.get("required", [])
    for name, value in section["properties"].items():
        key, said = f"{prefix}{name}", value["description"]
        # A client's http is described at the top, and private_keys by private_key.
        if "properties" not in value or (name == "http" and not prefix):
            default = "required" if name in needed else _literal(value["default"]) if "default" in value else ""
            yield f"`{key}`", _kind(value), default, said
            yield from _entries(name, value, key)
        else:
            kind = "`true` `false` keys" if "boolean" in value["type"] else "keys"
            yield f"`{key}`", kind, "required" if name in needed else "", said
            yield from _rows(value, f"{key}.")


def _entries(name: str, value: Schema, key: str) -> Iterator[tuple[str, ...]]:
    """The keys of each entry of a list, or of each section that a name was given."""
    if "properties" in (value.get("additionalProperties") or {}):
        yield from _rows(value["additionalProperties"], f"{key}.NAME.")
    elif "properties" in value.get("items", {}) and name != "private_keys":  # private_key has told them
        yield from _rows(value["items"], f"{key}[].")


def _kind(value: Schema) -> str:
    if "anyOf" in value:
        return _kind(value["anyOf"][0])
    if "enum" in value:
        return " ".join(_literal(choice) for choice in value["enum"] if choice is not None)
    if value.get("type") == "array":
        items = value["items"]
        return "list of keys" if "properties" in items else "list of text"
    if value.get("type") == "object":
        return "keys"
    if "pattern" in value:
        return "duration"
    kind = value.get("type", "")
    plain: str = kind[0] if isinstance(kind, list) else kind
    return {"boolean": "`true` `false`", "integer": "number"}.get(plain, "text")


def _literal(value: object) -> str:
    """`value` as the file writes it."""
    if isinstance(value, list):
        return f"`[{', '.join(f'{item!r}' if item.startswith(':') else item for item in value)}]`".replace("'", '"')
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _table(rows: Iterator[tuple[str, ...]]) -> str:
    head = "| key | value | default | |\n| --- | --- | --- | --- |\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _providers() -> str:
    parts = ["\n## Providers\n\nWhat a `provider` lays under a client and its tokens, and what it refuses.\n"]
    for name, preset in PRESETS.items():
        parts.append(f"\n### {name}\n\n{preset.title}.\n\n" + "".join(f"* {line}\n" for line in _facts(preset)))
    return "".join(parts)


def _facts(preset: Preset) -> Iterator[str]:
    if not preset.client["assertion"]:
        yield "`assertion.audience` is required"
    for key, value in _leaves({**preset.client, **preset.token}):
        yield f"`{key}`: {', '.join(value) if key == 'algorithms' else _literal(value)}"
    for host, partial in preset.elsewhere.items():
        hosts = " or ".join(f"`{name}`" for name in host.replace("\\.", ".").replace(".+", "*").split("|"))
        yield from (f"`{key}`: {_literal(value)}, where the server is {hosts}" for key, value in _leaves(partial))
    if preset.max_lifetime:
        yield f"`assertion.lifetime`: at most {Duration(preset.max_lifetime)}"
    if preset.own_api is not None:
        yield "`dpop.targets`: the server's own origin, if its tokens are for its own API"
    yield from (f"`{rule.key}`: {rule.reason}" for rule in (*preset.rules, *preset.cautions))


def _leaves(partial: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in partial.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _variables() -> str:
    head = "| variable | |\n| --- | --- |\n"
    form = head + "".join(f"| `{name}` | `{dotted(place)}` |\n" for name, place in FORM.items())
    overrides = head + "".join(f"| `{name}` | `{dotted(place)}` |\n" for name, place in OVERRIDES.items())
    return VARIABLES.replace("{form}\n", form).replace("{overrides}\n", overrides)
