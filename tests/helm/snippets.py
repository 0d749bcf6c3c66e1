"""Charts made on the spot: one template over this repository's chart, to see what it prints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from helm.chart import Major, Object, copied, of_kind, parsed, text


def chart_of(folder: Path, template: str, dependencies: Sequence[Mapping[str, Any]] = ({},)) -> Path:
    """A chart that prints what `template` does; each dependency is token-broker, said further (alias, condition)."""
    # Helm takes no document that is not a mapping.
    return chart_with(folder, f"kind: Snippet\nmade:\n{template}", dependencies)


def printed(chart: Path, values: Mapping[str, Any] | None = None, major: Major = 4) -> Any:
    """What the template printed, read as YAML."""
    return snippet(chart, values, major)["made"]


def chart_with(folder: Path, template: str, dependencies: Sequence[Mapping[str, Any]] = ({},)) -> Path:
    """The same, with an object of kind Snippet."""
    chart = folder / "snippet"
    (chart / "templates").mkdir(parents=True)
    known = [{"name": "token-broker", "version": "0.1.0", **further} for further in dependencies]
    meta = {"apiVersion": "v2", "name": "snippet", "version": "0.1.0", "dependencies": known}
    (chart / "Chart.yaml").write_text(yaml.safe_dump(meta))
    (chart / "templates/snippet.yaml").write_text(template)
    copied(chart / "charts/token-broker")
    return chart


def snippet(chart: Path, values: Mapping[str, Any] | None = None, major: Major = 4) -> Object:
    """That object."""
    return of_kind(parsed(text(chart, values, major=major)), "Snippet")
