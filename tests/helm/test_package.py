import json
import tarfile
from pathlib import Path

import pytest
import yaml

from broker import __version__
from helm.chart import CHART, Major, helmed
from helm.scenarios import SCENARIOS, Values, scenario

META = yaml.safe_load((CHART / "Chart.yaml").read_text())


@pytest.mark.parametrize("major", [3, 4])
def test_the_package_holds_what_the_chart_needs_and_nothing_else(tmp_path: Path, major: Major) -> None:
    helmed(major, "package", CHART, "--destination", tmp_path)
    with tarfile.open(tmp_path / f"token-broker-{META['version']}.tgz") as package:
        names = {name.removeprefix("token-broker/") for name in package.getnames()}
    assert {"Chart.yaml", "README.md", "values.yaml", "values.schema.json", "templates/_sidecar.tpl"} <= names
    beyond = {name for name in names if not name.startswith(("templates/", "files/"))}
    assert beyond == {"Chart.yaml", "README.md", "values.yaml", "values.schema.json"}
    assert not any(name.endswith("_test.yaml") for name in names)


def test_the_chart_is_for_the_broker_of_this_repository() -> None:
    assert META["appVersion"] == __version__
    (image,) = yaml.safe_load(META["annotations"]["artifacthub.io/images"])
    assert image["image"] == f"registry.example.com/token-broker:{__version__}"


def test_what_a_catalogue_shows_is_complete() -> None:
    said = {name.removeprefix("artifacthub.io/"): text for name, text in META["annotations"].items()}
    assert (said["category"], said["license"]) == ("security", "Apache-2.0")
    kinds = {"added", "changed", "deprecated", "removed", "fixed", "security"}
    assert all(change["kind"] in kinds and change["description"] for change in yaml.safe_load(said["changes"]))
    assert all(link["url"].startswith("https://") for link in yaml.safe_load(said["links"]))


def notes(values: Values, tmp_path: Path) -> str:
    """What `helm install` says in the end; Helm 3 says nothing without a cluster."""
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps(values))
    printed = helmed(4, "install", "app", CHART, "--namespace", "team", "--dry-run=client", "--values", file)
    return printed.partition("\nNOTES:\n")[2]


@pytest.mark.parametrize("name", [name for name in SCENARIOS if name not in {"injector", "platform"}])
def test_the_notes_have_no_holes(name: str, tmp_path: Path) -> None:
    said = notes(SCENARIOS[name], tmp_path)
    assert "app" in said
    assert "\n\n\n" not in said
    assert not [hole for hole in ("<nil>", "<no value>", "%!", "[]", "map[") if hole in said]


def test_the_notes_show_how_to_attach(tmp_path: Path) -> None:
    said = notes(scenario("okta"), tmp_path)
    assert '{{- include "token-broker.sidecar" . | nindent 8 }}' in said
    assert "helm test app --namespace team" in said


def test_the_notes_show_what_is_on(tmp_path: Path) -> None:
    said = notes(scenario("monitoring"), tmp_path)
    assert "a PodMonitor, all namespaces" in said
    assert "ATTACH" not in said
    assert "helm test" not in said
