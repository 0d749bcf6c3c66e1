"""The shipped dashboard: its panels, and its queries as Grafana would send them."""

import json
from dataclasses import dataclass
from typing import Any

from observability.rules import CHART

FILE = CHART / "files/dashboard.json"
#: What Grafana puts for its own variables, at an interval of a second.
INTERVALS = {"$__rate_interval": "10s", "$__range": "30s"}
#: What a user may have chosen.
EVERYTHING = {"namespace": ".*", "pod": ".*", "token": ".*"}


def dashboard() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


def panels() -> list[dict[str, Any]]:
    """All but the rows' headings."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


@dataclass(frozen=True)
class Query:
    """One query of one panel; `legend` is a template of labels, empty in a table."""

    panel: str
    reference: str
    expression: str
    legend: str
    instant: bool

    def sent(self, chosen: dict[str, str]) -> str:
        """The expression with its variables replaced."""
        text = self.expression
        for name, value in {**INTERVALS, **{f"${name}": value for name, value in chosen.items()}}.items():
            text = text.replace(name, value)
        assert "$" not in text, text
        return text


def queries() -> list[Query]:
    return [
        Query(
            panel["title"],
            target["refId"],
            target["expr"],
            target.get("legendFormat", ""),
            target.get("instant", False),
        )
        for panel in panels()
        for target in panel["targets"]
    ]
