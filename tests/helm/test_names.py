"""Objects' names: one for each broker of a release, each valid, and none taken for a number."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from helm.chart import CHART, Major, Object, copied, of_kind, rendered, workloads
from helm.invariants import breaches, misfits
from helm.scenarios import Values, attached, scenario
from helm.snippets import chart_of, printed

BOTH = pytest.mark.parametrize("major", [3, 4])
LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: "{{ .Chart.Name }}"}
spec:
  selector: {matchLabels: {app: "{{ .Chart.Name }}"}}
  template:
    metadata:
      labels:
        app: {{ .Chart.Name }}
      annotations:
        checksum/config: the-applications-own
        {{- include "token-broker.podAnnotations" BROKER | nindent 8 }}
    spec:
      initContainers:
        {{- include "token-broker.sidecar" BROKER | nindent 8 }}
      containers: [{name: app, image: "app:1"}]
      volumes:
        {{- include "token-broker.volumes" BROKER | nindent 8 }}
"""


def application(folder: Path, *aliases: str) -> None:
    """A chart that depends on this one, under one name or more, and takes the last of them."""
    (folder / "templates").mkdir(parents=True)
    broker = f'(dict "context" (index .Subcharts "{aliases[-1]}"))' if aliases else "."
    (folder / "templates/deployment.yaml").write_text(DEPLOYMENT.replace("BROKER", broker))
    known = [{"name": "token-broker", "version": "*", "alias": alias} for alias in aliases]
    _meta(folder, known or [{"name": "token-broker", "version": "*"}])
    copied(folder / "charts/token-broker")


def _meta(folder: Path, dependencies: list[dict[str, str]]) -> None:
    meta = {"apiVersion": "v2", "name": folder.name, "version": "1.0.0", "dependencies": dependencies}
    (folder / "Chart.yaml").write_text(yaml.safe_dump(meta))


def umbrella(folder: Path) -> Path:
    """Two applications and this chart itself beneath one chart."""
    chart = folder / "company"
    for name in ("shop", "billing"):
        application(chart / "charts" / name)
    copied(chart / "charts/token-broker")
    _meta(chart, [{"name": name, "version": "*"} for name in ("shop", "billing", "token-broker")])
    return chart


def told(secret: str, level: str) -> Values:
    okta = scenario("okta")
    return okta | {"key": {"existingSecret": secret}, "config": okta["config"] | {"log": {"level": level}}}


def configurations(objects: list[Object]) -> dict[str, str]:
    return {
        found["metadata"]["name"]: yaml.safe_load(found["data"]["config.yaml"])["log"]["level"]
        for found in objects
        if found["kind"] == "ConfigMap"
    }


def mounted(objects: list[Object]) -> dict[str, str]:
    """Deployment or Pod -> its broker's ConfigMap."""
    return {
        found["metadata"]["name"]: volume["configMap"]["name"]
        for found, spec in workloads(objects)
        for volume in spec["volumes"]
        if "configMap" in volume
    }


@BOTH
def test_two_applications_beneath_one_chart_have_a_broker_each(tmp_path: Path, major: Major) -> None:
    values = {
        "shop": {"token-broker": told("shop-key", "debug")},
        "billing": {"token-broker": told("billing-key", "error")},
        "token-broker": told("company-key", "warning"),
    }
    made = rendered(umbrella(tmp_path), values, major=major)
    assert list(breaches(made)) == []
    assert list(misfits(made, "1.36")) == []
    levels, used = configurations(made), mounted(made)
    assert {name: levels[config] for name, config in used.items()} == {
        "shop": "debug",
        "billing": "error",
        "app-shop-token-broker-test": "debug",
        "app-billing-token-broker-test": "error",
        "app-token-broker-test": "warning",
    }


@BOTH
def test_an_application_that_is_there_twice_has_two_brokers(tmp_path: Path, major: Major) -> None:
    chart = tmp_path / "company"
    application(chart / "charts/shop")
    aliases = ("here", "there")
    _meta(chart, [{"name": "shop", "version": "*", "alias": alias} for alias in aliases])
    values = {alias: {"token-broker": told(f"{alias}-key", "debug")} for alias in aliases}
    made = rendered(chart, values, major=major)
    assert list(breaches(made)) == []
    used = mounted(made)
    assert {name: used[name] for name in aliases} == {alias: f"app-{alias}-token-broker-config" for alias in aliases}
    assert set(used.values()) == set(configurations(made))


@BOTH
def test_two_brokers_of_one_application_are_told_apart_by_their_aliases(tmp_path: Path, major: Major) -> None:
    application(tmp_path / "shop", "one", "two")
    values = {"one": told("one-key", "debug"), "two": told("two-key", "error")}
    made = rendered(tmp_path / "shop", values, major=major)
    assert list(breaches(made)) == []
    assert configurations(made) == {"app-one-config": "debug", "app-two-config": "error"}
    assert mounted(made)["shop"] == "app-two-config"


@BOTH
def test_the_charts_annotation_is_not_the_applications(tmp_path: Path, major: Major) -> None:
    application(tmp_path / "shop")
    made = rendered(tmp_path / "shop", {"token-broker": scenario("okta")}, major=major)
    annotations = of_kind(made, "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations.keys() == {"checksum/config", "checksum/token-broker-config"}


def test_a_release_called_like_the_chart_gets_no_name_of_another() -> None:
    one, other = (rendered(CHART, scenario("okta"), release=release) for release in ("token-broker", "a"))
    assert of_kind(one, "ConfigMap")["metadata"]["name"] == "token-broker-token-broker-config"
    assert of_kind(other, "ConfigMap")["metadata"]["name"] == "a-token-broker-config"


EVERYTHING: Values = {
    **scenario("okta"),
    **{name: {"enabled": True} for name in ("demo", "podMonitor", "alerts", "dashboard")},
}


@BOTH
def test_long_names_are_cut_and_stay_different(major: Major) -> None:
    long = "a" * 52
    seen: list[str] = []
    for release, further in ((f"{long}b", {}), (f"{long}c", {}), (long, {"nameOverride": "d" * 63})):
        made = rendered(CHART, EVERYTHING | further, release=release, major=major)
        assert list(breaches(made)) == []
        assert list(misfits(made, "1.36")) == []
        seen += {found["metadata"]["name"] for found in made}
        used = mounted(made)
        assert set(used.values()) < {found["metadata"]["name"] for found in made if found["kind"] == "ConfigMap"}
    assert all(LABEL.fullmatch(name) for name in seen)
    assert len(set(seen)) == len(seen)


@BOTH
def test_an_alias_may_be_what_no_object_may_be_called(tmp_path: Path, major: Major) -> None:
    aliases = ("My_Broker", "my-broker", "my_broker")
    application(tmp_path / "shop", *aliases)
    made = rendered(tmp_path / "shop", {alias: told("a-key", "debug") for alias in aliases}, major=major)
    assert list(misfits(made, "1.36")) == []
    names = [found["metadata"]["name"] for found in made]
    assert len(set(names)) == len(names)
    assert all(LABEL.fullmatch(name) for name in names)


def test_a_whole_name_can_be_given() -> None:
    assert (
        of_kind(attached(scenario("okta") | {"fullnameOverride": "x"}), "ConfigMap")["metadata"]["name"] == "x-config"
    )


@BOTH
def test_no_name_is_taken_for_a_number(major: Major) -> None:
    objects = [
        *rendered(CHART, scenario("names"), release="42", major=major),
        *attached(scenario("names"), release="42", major=major),
        *rendered(CHART, scenario("platform"), release="42", major=major),
    ]
    assert list(misfits(objects, "1.36")) == []
    for found in objects:
        labels = found["metadata"].get("labels", {})
        assert all(isinstance(value, str) for value in (found["metadata"]["name"], *labels.values()))


CHOSEN = """
- {{ include "token-broker.objectName" (dict "scope" (index .Subcharts "token-broker") "suffix" "config") | quote }}
"""


@BOTH
def test_a_chart_whose_folder_is_another_is_named_as_helm_names_it(tmp_path: Path, major: Major) -> None:
    chart = chart_of(tmp_path, CHOSEN)
    shutil.move(chart / "charts/token-broker", chart / "charts/another-folder")
    assert printed(chart, {}, major) == ["app-token-broker-config"]
