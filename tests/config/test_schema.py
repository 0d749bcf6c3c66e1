import json
import re
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from broker.config import file
from broker.config.reference import reference
from broker.config.schema import Schema, schema
from broker.providers import PRESETS
from each_case import for_each

ROOT = Path(__file__).parents[2]


def keys(part: Schema, above: str = "") -> Iterator[tuple[str, Schema]]:
    for name, value in part.get("properties", {}).items():
        yield f"{above}{name}", value
        for inner in (value, value.get("items", {}), value.get("additionalProperties") or {}):
            yield from keys(inner, f"{above}{name}.")


KEYS = dict(keys(schema()))


def test_the_schema_in_the_repository_is_current() -> None:
    assert json.loads((ROOT / "config/schema.json").read_text()) == schema(), (
        "token-broker config schema > config/schema.json"
    )


def test_the_reference_in_the_repository_is_current() -> None:
    assert (ROOT / "docs/configuration.md").read_text() == reference(), (
        "config schema --markdown > docs/configuration.md"
    )


def test_every_key_is_described_and_every_section_closed() -> None:
    assert [name for name, key in KEYS.items() if not key.get("description")] == []
    assert [
        name for name, key in KEYS.items() if "properties" in key and key["additionalProperties"] is not False
    ] == []


def test_a_key_that_others_fill_in_need_not_be_written() -> None:
    client = KEYS["clients"]["additionalProperties"]
    assert client["required"] == ["client_id"]
    assert client["oneOf"] == [{"required": [key]} for key in ("private_key", "private_keys", "assertion_file")]
    assert KEYS["tokens"]["additionalProperties"]["required"] == []
    assert schema()["required"] == ["clients", "tokens"]


def test_only_a_generic_client_that_makes_its_assertions_has_to_write_their_audience() -> None:
    client = KEYS["clients"]["additionalProperties"]
    assert client["if"] == {"properties": {"provider": {"const": "generic"}}, "not": {"required": ["assertion_file"]}}
    assert client["then"]["properties"]["assertion"]["required"] == ["audience"]
    assert client["properties"]["assertion"]["required"] == []


def test_defaults_are_written_as_the_file_writes_them() -> None:
    defaults = {name: key["default"] for name, key in KEYS.items() if "default" in key}
    assert defaults["startup.wait"] == "1m"
    assert defaults["clients.assertion.lifetime"] == "1m"
    assert defaults["tokens.refresh.ahead"] == "auto"
    assert defaults["api.listen"] == ["localhost:7180"]
    assert defaults["tokens.required"] is True
    assert "clients.issuer" not in defaults


@pytest.mark.parametrize("text", ["5m", "1h30m", "500ms", "${TIMEOUT}"])
def test_durations_match_their_pattern(text: str) -> None:
    assert re.search(KEYS["http.timeout"]["pattern"], text)


@for_each("text", ["5", "5 m", "m", "", "forever", "auto"])
def test_what_is_no_duration_does_not(text: str) -> None:
    assert not re.search(KEYS["http.timeout"]["pattern"], text)


def test_waiting_forever_and_shares_match_theirs() -> None:
    assert re.search(KEYS["startup.wait"]["pattern"], "forever")
    assert re.search(KEYS["tokens.refresh.ahead"]["pattern"], "20%")


def test_providers_and_algorithms_are_offered() -> None:
    assert KEYS["clients.provider"]["enum"] == list(PRESETS)
    assert "PS256" in KEYS["clients.algorithms"]["items"]["enum"]
    assert None in KEYS["clients.private_key.algorithm"]["enum"]


def test_every_example_is_right_by_the_schema() -> None:
    validator = jsonschema.Draft7Validator(schema())
    for path in (ROOT / "config").glob("*.yaml"):
        assert [error.message for error in validator.iter_errors(parsed(path))] == []


@for_each(
    ("key", "value", "right"),
    [
        ("grant", "jwt_bearer", True),
        ("grant", {"jwt_bearer": {"subject": "a"}}, True),
        ("grant", {"jwt_bearer": {"subjct": "a"}}, False),
        ("grant", "password", False),
        ("grant", {}, False),
        ("jwt_bearer", {"scope_in": "assertion"}, True),
        ("dpop", True, True),
        ("dpop", {"targets": ["https://a"]}, True),
        ("dpop", "yes", False),
    ],
)
def test_short_and_long_forms_are_right_by_the_schema(key: str, value: object, *, right: bool) -> None:
    client: Schema = {"issuer": "https://a", "provider": "okta", "client_id": "a", "private_key": {"file": "a"}}
    token: Schema = {}
    (client if key == "dpop" else token)[key] = value
    tree = {"clients": {"a": client}, "tokens": {"b": token}}
    assert jsonschema.Draft7Validator(schema()).is_valid(tree) is right


def test_an_address_may_be_left_out_where_everybody_has_the_same() -> None:
    tree: Schema = {
        "clients": {"a": {"provider": "google", "client_id": "a@b", "private_key": {"file": "a"}}},
        "tokens": {"b": {}},
    }
    assert jsonschema.Draft7Validator(schema()).is_valid(tree)
    tree["clients"]["a"]["provider"] = "okta"
    assert not jsonschema.Draft7Validator(schema()).is_valid(tree)


def parsed(path: Path) -> Schema:
    """As the broker reads it."""
    document, _ = file.read(str(path))
    return document.tree


def test_names_are_bounded() -> None:
    pattern = KEYS["tokens"]["propertyNames"]["pattern"]
    assert re.search(pattern, "users-api")
    assert not re.search(pattern, "Users")
