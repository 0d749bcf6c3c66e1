"""What the Kubernetes guide says of the chart and of itself, compared with the chart."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from broker.core.durations import Ahead
from broker.core.tokens import Token
from broker.refresh.schedule import lead, refresh_at
from docs.examples import Object, Render, examples, first_template, first_values
from docs.pages import GUIDE, ROOT, Block, all_blocks, inline_code, pages, prose, tables
from each_case import for_each
from helm.admission import evaluated
from helm.chart import CHART, broker, workloads
from programs.installed import needed

METRIC = re.compile(r"token_broker_[a-z_]*[a-z]")
#: Subresources through which a token or the key can be had.
ENTRANCES = {"pods/exec", "pods/attach", "pods/ephemeralcontainers", "pods/portforward", "secrets", "nodes/proxy"}


def spec_of(objects: list[Object]) -> Object:
    ((_, spec),) = workloads(objects)
    return spec


def guide_object(kind: str, name: str) -> Object:
    (found,) = [
        example.content
        for example in examples("object")
        if example.block.page == GUIDE
        and (example.content["kind"], example.content["metadata"]["name"]) == (kind, name)
    ]
    return found


def test_the_manifest_written_by_hand_has_the_container_that_the_chart_renders(render: Render) -> None:
    made, plain = spec_of(render(first_template(), first_values())), guide_object("Pod", "shop")["spec"]
    assert plain["initContainers"] == made["initContainers"]
    assert plain["containers"] == made["containers"]
    key, config = made["volumes"]
    assert plain["volumes"] == [key, config | {"configMap": {"name": "shop-token-broker"}}]


def test_the_manifest_written_by_hand_has_the_configuration_of_the_first_example() -> None:
    said = yaml.safe_load(guide_object("ConfigMap", "shop-token-broker")["data"]["config.yaml"])
    assert said == first_values()["token-broker"]["config"]


def test_the_table_of_probes_is_what_the_chart_renders(render: Render) -> None:
    values: Object = first_values()["token-broker"] | {"readinessProbe": {"enabled": True}}
    container = broker(spec_of(render(first_template(), {"token-broker": values})))
    (rows, *_) = tables(GUIDE, "Probes")
    for name, path, every, patience, _ in rows:
        probe = container[name.strip("`")]
        assert probe["httpGet"] == {"path": path.strip("`"), "port": 7181}
        assert every == f"{probe['periodSeconds']} s"
        assert f"{probe.get('failureThreshold', 3)} failures" in patience
    assert len(rows) == 3


def test_readiness_is_off_as_the_guide_says(render: Render) -> None:
    assert "readinessProbe" not in broker(spec_of(render(first_template(), first_values())))


def test_a_wait_without_end_is_probed_as_often_as_the_guide_says(render: Render) -> None:
    values: Any = yaml.safe_load(yaml.safe_dump(first_values()))
    values["token-broker"]["config"]["startup"] = {"wait": "forever"}
    container = broker(spec_of(render(first_template(), values)))
    assert f"tolerates {container['startupProbe']['failureThreshold']} failures" in " ".join(prose(GUIDE).split())


def test_the_cost_is_what_the_chart_asks_for() -> None:
    resources = yaml.safe_load((CHART / "values.yaml").read_text())["resources"]
    ((requests, limits, *_),) = tables(GUIDE, "Cost")
    assert requests[1] == "{cpu} CPU, {memory} memory".format_map(resources["requests"])
    assert limits[1] == f"{resources['limits']['memory']} memory, no CPU limit"
    assert set(resources["limits"]) == {"memory"}
    cores, memory = (
        int(resources["requests"]["cpu"][:-1]) * 10,
        int(resources["requests"]["memory"][:-2]) * 10_000 / 1024,
    )
    assert f"{cores} cores and {memory:.0f} GiB" in prose(GUIDE)


def test_a_token_of_an_hour_is_replaced_when_the_guide_says() -> None:
    token = Token(access_token="t", token_type="Bearer", scope="", issued_at=0.0, lifetime=3600.0)
    auto = Ahead("auto")
    first, last = (refresh_at(token, auto, draw) / 60 for draw in (0.999999, 0.0))
    assert f"one every {first:.0f} to {last:.0f} minutes if it lives an hour" in prose(GUIDE)
    assert f"outlast {lead(3600.0, Ahead('auto')) / 60:.0f} minutes at least" in prose(GUIDE)


def test_on_call_people_get_no_way_to_a_token_or_a_key() -> None:
    for rule in guide_object("ClusterRole", "on-call-without-tokens")["rules"]:
        assert not ENTRANCES & set(rule["resources"])
        assert "*" not in [*rule["resources"], *rule["verbs"], *rule["apiGroups"]]
        if {"create", "update", "patch"} & set(rule["verbs"]):
            assert rule["resources"] == ["pods/eviction"]


CONNECT: Object = {"operation": "CONNECT"}
UPDATE: Object = {"operation": "UPDATE"}
KEY: Object = {"volumeMounts": [{"name": "token-broker-key", "mountPath": "/k"}]}
KEYS: Object = {
    "volumeMounts": [{"name": "data", "mountPath": "/d"}, {"name": "token-broker-key-okta", "mountPath": "/k"}]
}


def debugged(**container: Any) -> Object:
    return {"spec": {"ephemeralContainers": [{"name": "first"}, {"name": "debugger", **container}]}}


@for_each(
    ("request_", "object_", "allowed"),
    [
        (CONNECT, {"container": "shop", "command": ["sh"]}, True),
        (CONNECT, {"command": ["sh"]}, True),
        (CONNECT, {"container": "token-broker"}, False),
        (UPDATE, {"spec": {}}, True),
        (UPDATE, debugged(), True),
        (UPDATE, debugged(targetContainerName="shop", volumeMounts=[{"name": "data", "mountPath": "/d"}]), True),
        (UPDATE, debugged(targetContainerName="token-broker"), False),
        (UPDATE, debugged(**KEY), False),
        (UPDATE, debugged(**KEYS), False),
    ],
)
def test_the_policy_keeps_people_from_the_key_and_from_nothing_else(
    request_: Object, object_: Object, *, allowed: bool
) -> None:
    spec = guide_object("ValidatingAdmissionPolicy", "token-broker-key")["spec"]
    verdicts = [evaluated(rule["expression"], request=request_, object=object_) for rule in spec["validations"]]
    assert all(verdicts) == allowed


def test_ports_in_the_guide_are_those_of_the_chart() -> None:
    ports = yaml.safe_load((CHART / "values.yaml").read_text())["ports"]
    (ingress, *_) = guide_object("NetworkPolicy", "shop-ingress")["spec"]["ingress"]
    assert ingress["ports"] == [{"protocol": "TCP", "port": ports["admin"]}]
    for example in examples("Pod template"):
        for name, value in example.content.get("metadata", {}).get("annotations", {}).items():
            assert not name.endswith("InboundPorts") or value == str(ports["admin"])
            assert not name.endswith("skip-inbound-ports") or value == str(ports["admin"])


@for_each("page", pages())
def test_a_metric_that_a_page_names_is_one_that_the_broker_has(page: Any) -> None:
    known = set(METRIC.findall((ROOT / "broker/observers/metrics.py").read_text()))
    known |= {row[0].strip("`") for row in tables(ROOT / "docs/operations.md", "Metrics")[0]}
    for name in METRIC.findall(page.read_text()):
        assert re.sub(r"_(bucket|sum|count)$", "", name) in known or any(one.startswith(name) for one in known), name


def test_a_value_or_a_key_of_the_configuration_that_the_guide_names_exists() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = yaml.safe_load((ROOT / "config/schema.json").read_text())
    code = [code for code in inline_code(GUIDE) if not code.endswith(".yaml")]
    named = {match[1] for name in code if (match := re.fullmatch(r"(\w+(?:\.\w+)+)(?:: \S+)?", name))}
    assert named >= {"readinessProbe.enabled", "image.repository", "startup.wait", "http.proxy"}
    for path in named:
        section, *rest = path.split(".")
        if section in values:
            found = values
            for key in (section, *rest):
                assert key in found, path
                found = found[key]
        elif section in schema["properties"]:
            assert rest[0] in schema["properties"][section]["properties"], path


@pytest.mark.parametrize("block", all_blocks("promql"), ids=str)
def test_an_expression_for_prometheus_is_one(block: Block, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yaml"
    rules.write_text(yaml.safe_dump({"groups": [{"name": "docs", "rules": [{"record": "x", "expr": block.text}]}]}))
    judged = subprocess.run(
        [needed("promtool", "prometheus"), "check", "rules", rules], capture_output=True, check=False
    )
    assert judged.returncode == 0, judged.stderr.decode()
