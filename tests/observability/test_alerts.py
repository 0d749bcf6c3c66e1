"""The alerts under promtool: each by its own file in alerts/, and whether those files would notice a broken rule."""

from pathlib import Path

import pytest
import yaml

from observability.rules import RULES, UNIT_TESTS, alerts, promtool, unit_tested

LIFE = "token_broker_token_expiration_timestamp_seconds"
LEAD = "token_broker_token_refresh_lead_seconds"
#: What may go wrong in a rule when it is edited: alert, what it says, what it would say.
MUTATIONS = [
    ("TokenBrokerTokenExpiring", "< 0.5", "< 0.6"),
    ("TokenBrokerTokenExpiring", "< 0.5", "< 0.4"),
    ("TokenBrokerTokenExpiring", "> 0", "> -100000"),
    ("TokenBrokerTokenExpiring", f"timestamp({LIFE})", "time()"),
    ("TokenBrokerTokenExpired", "<= 0", "<= 60"),
    ("TokenBrokerTokenExpired", "<= 0", "<= -60"),
    ("TokenBrokerTokenExpired", "for: 2m", "for: 1m"),
    ("TokenBrokerTokenExpired", "for: 2m", "for: 5m"),
    ("TokenBrokerTokenExpired", f"timestamp({LIFE})", "time()"),
    ("TokenBrokerTokenExpired", "severity: critical", "severity: warning"),
    ("TokenBrokerRefreshFailing", 'outcome="error"', 'outcome="success"'),
    ("TokenBrokerRefreshFailing", "unless", "and"),
    ("TokenBrokerRefreshFailing", "sum without (outcome) (", "sum by (namespace, pod) ("),
    ("TokenBrokerRefreshFailing", "[15m]", "[5m]"),
    ("TokenBrokerRefreshFailing", "for: 10m", "for: 5m"),
    ("TokenBrokerRefreshFailing", "for: 10m", "for: 15m"),
    ("TokenBrokerFleetFailing", ">= 3", ">= 1"),
    ("TokenBrokerFleetFailing", ">= 3", ">= 4"),
    ("TokenBrokerFleetFailing", "by (cluster, instance)", "by (cluster, instance, token, job)"),
    ("TokenBrokerFleetFailing", "count by (cluster) (", "count ("),
    ("TokenBrokerFleetFailing", "< 0.5", "< 0.3"),
    ("TokenBrokerFleetFailing", "for: 1m", "for: 2m"),
    ("TokenBrokerFleetFailing", "for: 1m", "for: 0m"),
    ("TokenBrokerRestarting", "_init_container_", "_container_"),
    ("TokenBrokerRestarting", "kube_pod_container_", "kube_pod_init_container_"),
    ("TokenBrokerRestarting", '{container="token-broker"}', ""),
    ("TokenBrokerRestarting", "> 3", "> 2"),
    ("TokenBrokerRestarting", "> 3", "> 4"),
    ("TokenBrokerRestarting", "[1h]", "[3h]"),
    ("TokenBrokerClockOffset", "abs(token_broker_clock_offset_seconds)", "token_broker_clock_offset_seconds"),
    ("TokenBrokerClockOffset", "> 30", "> 29"),
    ("TokenBrokerClockOffset", "> 30", "> 60"),
    ("TokenBrokerClockOffset", "for: 5m", "for: 1m"),
    ("TokenBrokerClockOffset", "for: 5m", "for: 10m"),
    ("TokenBrokerConfigStale", "> 0", ">= 0"),
    ("TokenBrokerConfigStale", "for: 30m", "for: 20m"),
    ("TokenBrokerConfigStale", "for: 30m", "for: 1h"),
    ("TokenBrokerScrapeMissing", "== 1", "== 0"),
    ("TokenBrokerScrapeMissing", "_init_container_", "_container_"),
    ("TokenBrokerScrapeMissing", "kube_pod_container_", "kube_pod_init_container_"),
    ("TokenBrokerScrapeMissing", '{container="token-broker"}', ""),
    ("TokenBrokerScrapeMissing", "on (cluster, namespace, pod)", "on (namespace, pod)"),
    ("TokenBrokerScrapeMissing", "on (cluster, namespace, pod)", "on (cluster, pod)"),
    ("TokenBrokerScrapeMissing", "count by (cluster, namespace)", "count by (cluster, namespace, pod)"),
    ("TokenBrokerScrapeMissing", "for: 15m", "for: 5m"),
    ("TokenBrokerScrapeMissing", "for: 15m", "for: 30m"),
    ("TokenBrokerKeyRefused", "> 0", ">= 0"),
    ("TokenBrokerKeyRefused", "> 0", "> 1"),
    ("TokenBrokerKeyRefused", "for: 5m", "for: 1m"),
    ("TokenBrokerKeyRefused", "for: 5m", "for: 10m"),
    ("TokenBrokerCertificateExpiring", "< 14 * 86400", "< 16 * 86400"),
    ("TokenBrokerCertificateExpiring", "< 14 * 86400", "< 13 * 86400"),
    ("TokenBrokerCertificateExpiring", "- timestamp(token_broker_certificate_expiration_timestamp_seconds)", "- 0"),
    ("TokenBrokerCertificateExpiring", "for: 15m", "for: 5m"),
    ("TokenBrokerCertificateExpiring", "for: 15m", "for: 1h"),
]


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", alerts())
def test_an_alert_fires_and_clears_as_its_unit_test_says(alert: str) -> None:
    done = promtool("test", "rules", str(UNIT_TESTS / f"{alert}.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr


def test_there_is_no_unit_test_without_an_alert() -> None:
    assert {file.stem for file in UNIT_TESTS.iterdir()} == set(alerts())


@pytest.mark.parametrize(("alert", "old", "new"), MUTATIONS)
def test_a_broken_rule_fails_the_unit_test_of_its_alert(tmp_path: Path, alert: str, old: str, new: str) -> None:
    before, name, rest = RULES.read_text().partition(f"- alert: {alert}\n")
    rule, separator, after = rest.partition("\n\n")
    assert old in rule
    broken = tmp_path / "alerts.yaml"
    broken.write_text(before + name + rule.replace(old, new) + separator + after)
    assert promtool("check", "rules", str(broken)).returncode == 0
    tests = yaml.safe_load((UNIT_TESTS / f"{alert}.yaml").read_text())
    done = unit_tested(tmp_path, tests["tests"], rules=broken, interval=tests["evaluation_interval"])
    assert done.returncode == 1, f"{alert} may say {new} instead of {old}"
    assert "got:" in done.stderr


def test_every_alert_is_changed_by_a_mutation() -> None:
    assert {alert for alert, *_ in MUTATIONS} == set(alerts())


@pytest.mark.parametrize(("failing", "brokers", "pages"), [(3, 30, 1), (3, 31, 0), (2, 2, 0), (3, 3, 1), (20, 200, 1)])
def test_a_tenth_of_all_brokers_and_at_least_three_page_the_fleet(
    tmp_path: Path, failing: int, brokers: int, pages: int
) -> None:
    series = [
        {"series": f'{name}{{instance="{number}", token="t"}}', "values": f"{value}x20"}
        for number in range(brokers)
        for name, value in ((LIFE, 0 if number < failing else 9000), (LEAD, 0 if number < failing else 1200))
    ]
    expected = [{"value": 1}] * pages
    query = 'count(ALERTS{alertname="TokenBrokerFleetFailing", alertstate="firing"})'
    done = unit_tested(
        tmp_path,
        [
            {
                "interval": "30s",
                "input_series": series,
                "promql_expr_test": [{"expr": query, "eval_time": "5m", "exp_samples": expected}],
            }
        ],
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("alert", "rule"), alerts().items())
def test_an_alert_has_a_severity_a_line_of_summary_and_a_description_with_a_command(
    alert: str, rule: dict[str, dict[str, str]]
) -> None:
    assert alert.startswith("TokenBroker")
    assert rule["labels"].keys() == {"severity"}
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"].keys() == {"summary", "description"}
    assert "\n" not in rule["annotations"]["summary"] + rule["annotations"]["description"]
    assert len(rule["annotations"]["summary"]) < 160
    assert "`" in rule["annotations"]["description"]
