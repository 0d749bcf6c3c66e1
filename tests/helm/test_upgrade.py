"""Values of the previous release, rendered by this chart, make a configuration that this broker accepts."""

from pathlib import Path

import pytest
import yaml

from broker.config import resolve
from helm.chart import CHART, broker, rendered, workloads
from helm.scenarios import SUFFIX, Values, attached

PREVIOUS = Path(__file__).parents[1] / "upgrade/previous/values"
BEFORE: dict[str, Values] = {
    file.name.removesuffix(SUFFIX): (values.get("token-broker", values) if values else {})
    for file in sorted(PREVIOUS.glob(f"*{SUFFIX}"))
    for values in [yaml.safe_load(file.read_text())]
}


@pytest.mark.parametrize("name", BEFORE)
def test_previous_values_are_rendered_and_accepted(name: str, tmp_path: Path) -> None:
    values = BEFORE[name]
    rendered(CHART, values)
    if not any(values.get(key) for key in ("config", "existingConfigMap", "extraEnv")):
        return  # there is no sidecar
    made = attached(values)
    spec = next(spec for _, spec in workloads(made) if "initContainers" in spec)
    environ = {variable["name"]: variable.get("value", "elsewhere") for variable in broker(spec)["env"]}
    for found in made:
        if found["kind"] == "ConfigMap" and "config.yaml" in found["data"]:
            file = tmp_path / "config.yaml"
            file.write_text(found["data"]["config.yaml"])
            assert resolve.load(str(file), environ).tokens
