"""Prints the chart's values.schema.json anew: types as they stand in it, the rest from where it is written.

Descriptions and defaults are those of values.yaml, and `config` is what the broker itself takes, from
config/schema.json. `make generate` runs this.
"""

import json
import sys
from pathlib import Path
from typing import Any, TypeAlias

from helm.values_file import CHART, values

Schema: TypeAlias = dict[str, Any]
FILE = CHART / "values.schema.json"
CONFIG = Path(__file__).parents[2] / "config/schema.json"


def schema() -> Schema:
    """The whole, up to date."""
    made: Schema = json.loads(FILE.read_text())
    made["properties"]["config"] = _config(json.loads(CONFIG.read_text()))
    for value in values():
        place = made
        for name in value.path:
            place = place["properties"][name]
        if value.comment:
            place["description"] = value.comment
    return made


def _config(whole: Schema) -> Schema:
    """The broker's own schema, for a chart: the file may be text, there may be none, and Helm reads YAML 1.1."""
    status = whole["properties"]["admin"]["properties"]["status"]
    status["enum"].append(False)  # an unquoted off, which the chart writes as it was meant
    needed = whole.pop("required")
    del whole["$schema"], whole["title"]
    return whole | {"type": ["object", "string", "null"], "if": {"minProperties": 1}, "then": {"required": needed}}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(schema(), indent=2, ensure_ascii=False) + "\n")
