"""docs/operations.md tells what the program does."""

import re
from collections.abc import Iterator
from pathlib import Path

from broker.admin.health import OK
from broker.admin.server import ROUTES as ADMIN_ROUTES
from broker.core.events import (
    CallerLoaded,
    CallerRefused,
    CertificateExpiring,
    ClockMeasured,
    ConfigChanged,
    Crashed,
    Event,
    HandedOut,
    KeyAccepted,
    KeyFellBack,
    KeyRefused,
    KeyRetired,
    Listening,
    RefreshForced,
    Refused,
    Reloading,
    ScopeReduced,
    Served,
    SinkCleared,
    SinkFailed,
    SinkWritten,
    Started,
    Stopping,
    TokenExpired,
    Warned,
)
from broker.core.tokens import EXPIRED
from broker.http_server.request_rules import REFUSALS
from broker.observers.lines import LINES_DROPPED, line_of
from broker.observers.metrics import MAX_CODES, Metrics
from broker.workload_api.server import ROUTES as API_ROUTES
from told_events import a_busy_week, failed, key_loaded, refreshed, settings

PAGE = (Path(__file__).parents[2] / "docs" / "operations.md").read_text()

#: Every event with every field that it can have; what the log adds by what it remembers is in `REMEMBERED`.
FULL: list[Event] = [
    Started(version="0.1.0", tokens=("users",)),
    Listening(listener="api", addresses=("127.0.0.1:7180",)),
    Stopping(signal="SIGTERM", drain=0.0),
    Reloading(),
    refreshed(),
    failed(expires_at=1000.0),
    TokenExpired(token="users", client="okta", reason="timeout"),
    ScopeReduced(token="users", client="okta", missing=("a",)),
    key_loaded(x5t="x5t", not_after=1.8e9),
    KeyRefused(client="okta", file="/key", detail="/key: is empty.", kept=True),
    CertificateExpiring(client="entra", file="/certificate", not_after=1.8e9, days_left=-1),
    KeyAccepted(client="okta", kid="k1"),
    KeyRetired(client="okta", file="/key", kid="k0", algorithm="RS256"),
    KeyFellBack(client="okta", kid="k1", refused="k2", reason="kid_refused"),
    ClockMeasured(client="okta", offset=3.0, used=True),
    ConfigChanged(file="/c.yaml", stale=True),
    Warned(detail="clients.okta: plain http."),
    Served(route="/v1/token", code=200, seconds=0.0003, times=2),
    Refused(reason="host"),
    HandedOut(token="users", caller="anonymous"),
    RefreshForced(token="users", caller="reports", cause="rejected"),
    CallerLoaded(caller="reports", file="/secret", secrets=2, created=True),
    CallerRefused(caller="reports", file="/secret", detail="/secret is empty"),
    SinkWritten(token="users", file="/token"),
    SinkCleared(token="users", file="/token"),
    SinkFailed(token="users", file="/token", detail="/token cannot be written"),
    Crashed(where="x.py:1 f", error="KeyError"),
]
REMEMBERED = {
    "token_refreshed": {"failed_attempts", "failed_for_s"},
    "token_expired": {"cause", "fix", "server_said"},
}


def table(header: str) -> Iterator[list[str]]:
    """The rows of the table that begins with `header`, cell by cell."""
    lines = iter(PAGE.splitlines())
    next(line for line in lines if line.startswith(f"| {header} |"))
    next(lines)
    for line in lines:
        if not line.startswith("|"):
            return
        yield [cell.strip() for cell in line.strip("|").split("|")]


def names(cell: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", cell))


def test_every_event_is_on_the_page_with_all_its_fields() -> None:
    documented = {event.strip("`"): names(fields) for event, _, fields, _ in table("event | level | fields")}
    for without_event in ("library", LINES_DROPPED):
        del documented[without_event]
    told = {
        event.name: set(line_of(event, now=1000.0, wall=1000.0).fields) | REMEMBERED.get(event.name, set())
        for event in FULL
    }
    assert documented == told
    assert set(told) == {kind.name for kind in Event.__subclasses__()}


def test_the_level_on_the_page_is_the_one_in_the_log() -> None:
    documented = {event.strip("`"): level for event, level, *_ in table("event | level | fields")}
    for event in FULL:
        assert line_of(event, now=1000.0, wall=1000.0).level in documented[event.name]


def test_every_metric_is_on_the_page_with_type_and_labels() -> None:
    metrics = Metrics(settings("users", sinks=("/token",)), now=lambda: 0.0, wall=lambda: 0.0)
    for event in a_busy_week("users"):
        metrics(event)
    shown = {("process_*", "", frozenset[str]())}
    for family in metrics.registry.collect():
        if not family.name.startswith("process_"):
            labels = {label for sample in family.samples for label in sample.labels} - {"le"}
            name = family.name + ("_total" if family.type == "counter" else "")
            shown.add((name, family.type, frozenset(labels)))
    rows = table("metric | type")
    assert {(name.strip("`"), kind, frozenset(names(labels))) for name, kind, labels, _ in rows} == shown
    assert f"the {MAX_CODES} pairs seen last" in PAGE


def test_every_route_is_on_the_page() -> None:
    documented = [route.strip("`") for route, _ in table("`route`")]
    assert documented == [*API_ROUTES[:-1], *ADMIN_ROUTES]


def test_every_reason_to_refuse_a_request_is_on_the_page() -> None:
    assert [reason.strip("`") for reason, _ in table("`reason` of a refused request")] == list(REFUSALS)


def test_the_codes_of_a_token_are_on_the_page() -> None:
    assert [code.strip("`") for code, _ in table("code | meaning")][:2] == [OK, EXPIRED]
