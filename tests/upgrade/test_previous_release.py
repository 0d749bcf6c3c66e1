"""The configuration and the chart's values of the previous release work with this one."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from broker.config import resolve
from broker.config.rules import warnings

ROOT = Path(__file__).parents[2]
PREVIOUS = Path(__file__).parent / "previous"
CONFIGURATIONS = sorted((PREVIOUS / "config").glob("*.yaml"))
VALUES = sorted((PREVIOUS / "values").glob("*.yaml"))


def validator(schema: Path) -> Any:
    read = json.loads(schema.read_text())
    return jsonschema.validators.validator_for(read)(read)


def test_there_are_files_to_load() -> None:
    assert (len(CONFIGURATIONS), len(VALUES)) == (24, 25)


def test_every_previous_configuration_loads_without_a_new_warning() -> None:
    for path in CONFIGURATIONS:
        settings = resolve.load(str(path), {})
        assert settings.tokens, path
        assert warnings(settings) == [], path


def test_every_previous_configuration_is_valid_in_editors() -> None:
    schema = validator(ROOT / "config/schema.json")
    for path in CONFIGURATIONS:
        assert list(schema.iter_errors(yaml.safe_load(path.read_text()))) == [], path


def merged(defaults: dict[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """As Helm lays values over those of the chart before it validates them."""
    below = {name: value for name, value in defaults.items() if name not in values}
    return below | {
        name: merged(defaults[name], value)
        if isinstance(value, dict) and isinstance(defaults.get(name), dict)
        else value
        for name, value in values.items()
    }


def test_all_previous_values_fit_the_schema_of_the_chart() -> None:
    chart = ROOT / "helm/token-broker"
    schema = validator(chart / "values.schema.json")
    defaults: dict[str, Any] = yaml.safe_load((chart / "values.yaml").read_text())
    for path in VALUES:
        values: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
        # A chart that depends on ours has our values under our name.
        assert list(schema.iter_errors(merged(defaults, values.get("token-broker", values)))) == [], path
