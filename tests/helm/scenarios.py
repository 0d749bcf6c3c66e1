"""The chart's own scenarios, ci/*-values.yaml, and a chart that includes every template to put them into."""

import functools
import tempfile
from pathlib import Path
from typing import Any

import yaml

from helm.chart import CHART, WORKLOAD, Object, broker, of_kind, rendered, with_dependency

Values = dict[str, Any]
SUFFIX = "-values.yaml"


def scenario(name: str) -> Values:
    """The values of one scenario."""
    found: Values = yaml.safe_load((CHART / "ci" / f"{name}{SUFFIX}").read_text())
    return found


SCENARIOS = {
    file.name.removesuffix(SUFFIX): scenario(file.name.removesuffix(SUFFIX))
    for file in sorted(CHART.glob(f"ci/*{SUFFIX}"))
}
#: Those that say what the sidecar needs, so that a workload can include it.
ATTACHED = {
    name: values for name, values in SCENARIOS.items() if values.keys() & {"config", "existingConfigMap", "extraEnv"}
}


@functools.cache
def workload() -> Path:
    """A chart with a Deployment that includes every template, the chart beneath it."""
    return with_dependency(WORKLOAD, Path(_folder().name))


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="token-broker-charts-")


def attached(values: Values, **options: Any) -> list[Object]:
    """What the workload's chart renders when its dependency has these values."""
    return rendered(workload(), {"token-broker": values}, **options)


def sidecar(values: Values, **options: Any) -> Object:
    """The broker's container in that workload."""
    spec: Object = of_kind(attached(values, **options), "Deployment")["spec"]["template"]["spec"]
    return broker(spec)
