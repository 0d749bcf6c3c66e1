"""What one release in a cluster brings, and the Pods that the chart itself makes."""

import pytest

from helm.chart import CHART, Major, Object, of_kind, rendered, workloads
from helm.scenarios import scenario, workload

BOTH = pytest.mark.parametrize("major", [3, 4])
KINDS = {"podMonitor": "PodMonitor", "alerts": "PrometheusRule", "dashboard": "ConfigMap"}


def made(major: Major, **labels: str | None) -> dict[str, dict[str, str]]:
    """Value -> the labels of what it makes."""
    objects = rendered(CHART, {name: {"enabled": True, "labels": labels} for name in KINDS}, major=major)
    return {name: of_kind(objects, kind)["metadata"]["labels"] for name, kind in KINDS.items()}


@BOTH
def test_labels_come_beside_the_charts_own_and_in_their_place(major: Major) -> None:
    plain = made(major)
    ours = {"app.kubernetes.io/managed-by": "us", "release": "prometheus"}
    assert made(major, **ours) == {name: labels | ours for name, labels in plain.items()}


@BOTH
def test_a_label_can_be_taken_away(major: Major) -> None:
    labels = made(major, **{"grafana_dashboard": None, "app.kubernetes.io/version": None, "dashboards": "1"})
    for found in labels.values():
        assert found["dashboards"] == "1"
        assert not {"grafana_dashboard", "app.kubernetes.io/version"} & found.keys()


@BOTH
def test_a_label_can_be_taken_away_by_a_parent_too(major: Major) -> None:
    values = {
        "token-broker": {"dashboard": {"enabled": True, "labels": {"grafana_dashboard": None}}, **scenario("okta")}
    }
    objects = rendered(workload(), values, major=major)
    (dashboard,) = [found for found in objects if found["metadata"]["name"].endswith("-dashboard")]
    assert "grafana_dashboard" not in dashboard["metadata"]["labels"]


@BOTH
def test_metrics_can_be_dropped_at_the_scrape(major: Major) -> None:
    rule = {"sourceLabels": ["__name__"], "regex": "token_broker_request_duration_seconds_bucket", "action": "drop"}
    values = {"podMonitor": {"enabled": True, "metricRelabelings": [rule]}}
    (endpoint,) = of_kind(rendered(CHART, values, major=major), "PodMonitor")["spec"]["podMetricsEndpoints"]
    assert endpoint["metricRelabelings"] == [rule]


PLACED: Object = {
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "spot", "operator": "Exists", "effect": "NoSchedule"}],
}


@BOTH
def test_the_pods_of_the_chart_itself_are_pulled_and_placed_as_said(major: Major) -> None:
    pods = list(workloads(rendered(CHART, scenario("okta") | {"demo": {"enabled": True}} | PLACED, major=major)))
    assert {found["kind"] for found, _ in pods} == {"Pod", "Deployment"}
    for _, spec in pods:
        assert {name: spec[name] for name in PLACED} == PLACED


@BOTH
def test_the_pod_of_an_application_is_its_own_to_place(major: Major) -> None:
    ((_, spec),) = (
        pair
        for pair in workloads(rendered(workload(), {"token-broker": scenario("okta") | PLACED}, major=major))
        if pair[0]["kind"] == "Deployment"
    )
    assert not PLACED.keys() & spec.keys()
