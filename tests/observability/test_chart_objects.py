"""What the chart makes for Prometheus' operator and for Grafana: kinds that no offline schema knows."""

import json
from typing import Any

import pytest
import yaml

from helm.chart import CHART, Major, Object, helmed, of_kind, parsed, rendered, text
from observability.dashboard import dashboard
from observability.rules import RULES, alerts

KINDS = {"podMonitor": "PodMonitor", "alerts": "PrometheusRule", "dashboard": "ConfigMap"}
#: The whole specification of each, as their definitions have it; a field that is not there would be dropped silently.
POD_MONITOR = {"namespaceSelector", "selector", "podMetricsEndpoints"}
ENDPOINT = {"port", "path", "interval"}
RULE = {"alert", "expr", "for", "labels", "annotations"}


@pytest.fixture(params=[3, 4])
def major(request: pytest.FixtureRequest) -> Major:
    found: Major = request.param
    return found


def made(part: str, major: Major, **values: Any) -> Object:
    return of_kind(rendered(CHART, {part: {"enabled": True, **values}}, major=major), KINDS[part])


def test_nothing_of_it_is_there_unless_it_is_asked_for(major: Major) -> None:
    assert rendered(CHART, major=major) == []


def test_each_can_be_had_alone(major: Major) -> None:
    for part, kind in KINDS.items():
        assert [found["kind"] for found in rendered(CHART, {part: {"enabled": True}}, major=major)] == [kind]


@pytest.mark.parametrize("part", KINDS)
def test_labels_of_the_platform_are_added_to_those_of_the_chart(part: str, major: Major) -> None:
    found = made(part, major, labels={"release": "prometheus"})["metadata"]
    assert found["labels"]["release"] == "prometheus"
    assert found["labels"]["app.kubernetes.io/name"] == "token-broker"
    assert found["namespace"] == "default"
    assert found["name"].startswith("app-token-broker")


def test_the_pod_monitor_scrapes_the_admin_port_of_every_sidecar_of_the_cluster(major: Major) -> None:
    found = made("podMonitor", major)
    assert found["apiVersion"] == "monitoring.coreos.com/v1"
    assert found["spec"].keys() == POD_MONITOR
    assert found["spec"]["namespaceSelector"] == {"any": True}
    assert found["spec"]["selector"] == {"matchLabels": {"token-broker.dev/sidecar": "true"}}
    (endpoint,) = found["spec"]["podMetricsEndpoints"]
    assert endpoint == {"port": "broker-admin", "path": "/metrics", "interval": "30s"}


def test_the_pod_monitor_scrapes_the_namespaces_that_are_named_as_often_as_is_said(major: Major) -> None:
    spec = made("podMonitor", major, namespaces=["shop", "bank"], interval="1m")["spec"]
    assert spec["namespaceSelector"] == {"matchNames": ["shop", "bank"]}
    assert spec["podMetricsEndpoints"][0]["interval"] == "1m"


def test_the_rules_are_those_of_the_file_that_was_tested(major: Major) -> None:
    found = made("alerts", major)
    assert found["apiVersion"] == "monitoring.coreos.com/v1"
    assert found["spec"] == yaml.safe_load(RULES.read_text())
    for group in found["spec"]["groups"]:
        assert group.keys() <= {"name", "interval", "rules"}
        assert all(rule.keys() <= RULE for rule in group["rules"])


def test_every_alert_leads_to_its_runbook_entry_where_the_page_is_published(major: Major) -> None:
    page = "https://handbook.example.com/operations"
    groups = made("alerts", major, runbookUrl=page)["spec"]["groups"]
    urls = {rule["alert"]: rule["annotations"].pop("runbook_url") for group in groups for rule in group["rules"]}
    assert urls == {alert: f"{page}#{alert.lower()}" for alert in alerts()}
    assert {"groups": groups} == yaml.safe_load(RULES.read_text())


def test_the_dashboard_is_the_file_that_was_tested_found_by_its_label(major: Major) -> None:
    found = made("dashboard", major, annotations={"grafana_folder": "Platform"})
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert found["metadata"]["annotations"] == {"grafana_folder": "Platform"}
    assert list(found["data"]) == ["token-broker.json"]
    assert json.loads(found["data"]["token-broker.json"]) == dashboard()


def test_a_config_map_has_room_for_the_dashboard() -> None:
    assert len(text(CHART, {"dashboard": {"enabled": True}})) < 1 << 18


def test_no_cluster_need_be_asked_whether_it_knows_the_kinds(major: Major) -> None:
    asked = ",".join(f"{part}.enabled=true" for part in KINDS)
    made = parsed(helmed(major, "template", "app", CHART, "--set", asked))
    assert sorted(found["kind"] for found in made) == sorted(KINDS.values())
