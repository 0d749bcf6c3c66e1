"""Whoever is called by an alert finds in docs/operations.md what to do."""

import re
from typing import Any

import pytest
import yaml

from broker.core.diagnosis import REASONS
from broker.core.events import Event
from observability.dashboard import panels
from observability.rules import ROOT, alerts

PAGE = (ROOT / "docs/operations.md").read_text()
RUNBOOK = PAGE.partition("\n## Runbook\n")[2].partition("\n## ")[0]
SPLIT = re.split(r"^### (.+)\n", RUNBOOK, flags=re.MULTILINE)
ENTRIES = dict(zip(SPLIT[1::2], SPLIT[2::2], strict=True))
PARTS = ("Means", "Look", "Causes", "Do", "Silence")


def matched(matcher: str) -> set[str]:
    """The alerts that an Alertmanager matcher of `alertname` is for."""
    sign, pattern = re.fullmatch(r'alertname(=~?)"(.+)"', matcher).groups()  # type: ignore[union-attr]  # a failure is the test's
    return {alert for alert in alerts() if (re.fullmatch(pattern, alert) if sign == "=~" else alert == pattern)}


def test_every_alert_has_an_entry_and_every_entry_an_alert() -> None:
    assert list(ENTRIES) == list(alerts())


@pytest.mark.parametrize("alert", alerts())
def test_an_entry_says_what_it_means_where_to_look_why_what_to_do_and_when_to_be_silent(alert: str) -> None:
    entry = ENTRIES[alert]
    places = [re.search(rf"\*\*{part}\*\*|\*\*{part.lower()}\*\*", entry) for part in PARTS]
    assert all(places), [part for part, place in zip(PARTS, places, strict=True) if not place]
    starts = [place.start() for place in places if place]
    assert starts == sorted(starts)


def test_the_overview_has_every_alert_with_its_severity() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\(#(\w+)\) \| (\w+) \|", RUNBOOK, re.MULTILINE)
    assert rows == [(alert, alert.lower(), rule["labels"]["severity"]) for alert, rule in alerts().items()]


def test_reasons_events_and_panels_that_it_names_exist() -> None:
    named = set(re.findall(r"`([a-z]+(?:_[a-z]+)+)`", RUNBOOK))
    events = {kind.name for kind in Event.__subclasses__()}
    files = {"kid_file", "passphrase_file", "private_keys", "rule_files", "max_clock_offset"}
    assert named - set(REASONS) - events - files == set()
    titles = {panel["title"] for panel in panels()}
    assert set(re.findall(r'"([A-Z][a-z]+ [a-z ]+)"', RUNBOOK)) <= titles


def test_alertmanager_is_told_to_stop_causes_and_followers_and_not_the_leaders() -> None:
    (block,) = re.findall(r"```yaml\n(# alertmanager\.yaml\n.+?)```", RUNBOOK, re.DOTALL)
    config: dict[str, Any] = yaml.safe_load(block)
    pairs = [
        (matched(rule["source_matchers"][0]), matched(rule["target_matchers"][0])) for rule in config["inhibit_rules"]
    ]
    followers = {"TokenBrokerTokenExpiring", "TokenBrokerRefreshFailing"}
    assert pairs == [
        ({"TokenBrokerFleetFailing"}, {"TokenBrokerTokenExpired", *followers}),
        ({"TokenBrokerTokenExpired"}, followers),
    ]
