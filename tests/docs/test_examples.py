"""YAML that people copy out of the documents: read by what will read it there."""

import re
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from broker.config import resolve
from configurations import OKTA
from docs.examples import (
    FOREIGN,
    Example,
    Object,
    Render,
    documents,
    examples,
    first_template,
    first_values,
    is_template,
    kind_of,
    templates,
    yaml_blocks,
)
from docs.pages import GUIDE, ROOT, Block, all_blocks
from each_case import for_each
from helm.chart import CHART, VERSIONS, Major, rendered, workloads

BASE: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "shop"},
    "spec": {"containers": [{"name": "shop", "image": "shop:1"}]},
}


def validate(found: Object) -> None:
    """Strictly, in each release that has this kind; the newest has to."""
    judged = False
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(found, version, strict=True)
        except kubernetes_validate.SchemaNotFoundError:
            assert not judged, f"{found['kind']} is gone in {version}"
        else:
            judged = True
    assert judged, f"no release has {found['apiVersion']} {found['kind']}"


@for_each("block", yaml_blocks())
def test_a_block_of_yaml_is_something_that_a_test_can_judge(block: Block) -> None:
    for content in documents(block):
        assert kind_of(content), f"what is {list(content)}?"


@for_each("block", [block for block in all_blocks() if is_template(block)])
def test_a_template_includes_what_the_chart_defines(block: Block) -> None:
    defined = {
        name for file in CHART.glob("templates/*.tpl") for name in re.findall(r'define "([^"]+)"', file.read_text())
    }
    assert set(re.findall(r'include "([^"]+)"', block.text)) <= defined


@for_each("example", examples("object"))
def test_an_object_is_valid_in_every_release_of_kubernetes(example: Example) -> None:
    validate(example.content)


@pytest.mark.parametrize("example", examples("Pod template"), ids=str)
def test_a_part_of_a_pod_is_valid_within_one(example: Example) -> None:
    validate({**BASE, **{key: {**BASE[key], **part} for key, part in example.content.items()}})


@pytest.mark.parametrize("example", examples("foreign"), ids=str)
def test_an_object_of_another_project_has_only_keys_that_it_knows(example: Example) -> None:
    found = example.content
    keys = set(found["spec"]) if "spec" in found else set(found) - {"apiVersion", "kind"}
    assert keys <= FOREIGN[found["apiVersion"], found["kind"]]


@pytest.mark.parametrize("example", examples("configuration"), ids=str)
def test_a_part_of_a_configuration_loads(example: Example, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    base = {} if "clients" in example.content else yaml.safe_load(OKTA)
    file.write_text(yaml.safe_dump(base | example.content))
    assert resolve.load(str(file), {}).tokens


@pytest.mark.parametrize("major", [3, 4])
@pytest.mark.parametrize(("template", "values"), templates(), ids=[str(template) for template, _ in templates()])
def test_an_application_renders_to_valid_objects(template: Block, values: Object, major: Major, render: Render) -> None:
    made = render(template, values, major=major, kubernetes="1.29")
    assert [found["kind"] for found in made] == ["ConfigMap", *re.findall(r"^kind: (.*)", template.text, re.MULTILINE)]
    for found in made:
        validate(found)


@pytest.mark.parametrize("version", VERSIONS)
def test_helm_renders_the_first_example_for_each_release(version: str, render: Render) -> None:
    assert render(first_template(), first_values(), kubernetes=version)


@pytest.mark.parametrize("major", [3, 4])
@pytest.mark.parametrize("example", examples("application's values"), ids=str)
def test_values_of_an_application_are_accepted(example: Example, major: Major, render: Render) -> None:
    for found in render(first_template(), example.content, major=major):
        validate(found)


@pytest.mark.parametrize("major", [3, 4])
def test_values_of_the_chart_are_accepted(major: Major) -> None:
    for example in examples("chart's values"):
        assert rendered(CHART, example.content, major=major), example


@pytest.mark.parametrize("example", examples("application's values"), ids=str)
def test_a_configuration_in_values_loads(example: Example, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    values = example.content["token-broker"]
    file.write_text(yaml.safe_dump(values["config"]))
    socket = values.get("unixSocket", {}).get("enabled", False)
    variables = {"TOKEN_BROKER_API_LISTEN": "localhost:7180" + ",unix:/run/token-broker/api.sock" * socket}
    assert resolve.load(str(file), variables).tokens


def test_what_is_dropped_at_the_scrape_is_what_no_alert_reads() -> None:
    alerts = (CHART / "files/alerts.yaml").read_text()
    known = set(re.findall(r"^\| `(token_broker_\w+)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
    for example in examples("relabelling"):
        (rule,) = example.content["metricRelabelings"]
        assert (rule["sourceLabels"], rule["action"]) == (["__name__"], "drop")
        for metric in known:
            dropped = any(re.fullmatch(rule["regex"], metric + suffix) for suffix in ("", "_bucket", "_sum", "_count"))
            assert not (dropped and metric in alerts), metric


def test_what_alertmanager_is_told_is_about_alerts_that_there_are() -> None:
    alerts = set(re.findall(r"- alert: (\w+)", (CHART / "files/alerts.yaml").read_text()))
    for example in examples("Alertmanager"):
        for rule in example.content["inhibit_rules"]:
            for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
                parsed = re.fullmatch(r'alertname=~?"(?:(\w+)|(\w+)\(([\w|]+)\))"', matcher)
                assert parsed, matcher
                named = [parsed[1]] if parsed[1] else [parsed[2] + rest for rest in parsed[3].split("|")]
                assert set(named) <= alerts, matcher


def test_what_is_put_over_the_compose_file_is_about_its_services() -> None:
    services = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]
    for example in examples("compose override"):
        for name, said in example.content["services"].items():
            assert set(said) <= {*services[name], "user", "volumes"}


def test_the_dependency_is_the_chart_of_this_repository() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    for example in examples("Chart.yaml"):
        (said,) = example.content["dependencies"]
        assert (said["name"], said["version"]) == (chart["name"], chart["version"]), example


def test_the_guide_names_the_releases_that_these_tests_look_at() -> None:
    assert f"{', '.join(VERSIONS[:-1])} and {VERSIONS[-1]}" in " ".join(GUIDE.read_text().split())


@pytest.mark.parametrize(("template", "values"), templates(), ids=[str(template) for template, _ in templates()])
def test_no_container_but_the_broker_mounts_a_key(template: Block, values: Object, render: Render) -> None:
    ((_, spec),) = workloads(render(template, values))
    for container in [*spec["containers"], *spec["initContainers"]]:
        mounted: list[Any] = container.get("volumeMounts", [])
        keys = [mount for mount in mounted if mount["name"].startswith("token-broker-key")]
        assert bool(keys) == (container["name"] == "token-broker")


def test_a_cron_job_that_wants_one_token_gets_one_token_and_one_key(render: Render) -> None:
    template, values = next(found for found in templates() if found[0].title == "templates/cronjob.yaml")
    ((_, spec),) = workloads(render(template, values))
    broker, second = spec["initContainers"]
    assert {"name": "TOKEN_BROKER_TOKENS", "value": "reports"} in broker["env"]
    assert [mount["name"] for mount in broker["volumeMounts"]] == ["token-broker-key-keycloak", "token-broker-config"]
    assert [volume["name"] for volume in spec["volumes"]] == ["token-broker-key-keycloak", "token-broker-config"]
    assert second["env"] == [{"name": "TOKEN_BROKER_URL", "value": "http://127.0.0.1:7180"}]
