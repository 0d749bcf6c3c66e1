"""The dashboard's file is one that Grafana takes, and that people find their way in."""

import re
from itertools import combinations
from typing import Any

import pytest

from observability.dashboard import dashboard, panels, queries
from observability.rules import ROOT

METRICS = set(re.findall(r"^\| `(token_broker_\w+)`", (ROOT / "docs/operations.md").read_text(), re.MULTILINE))
PROCESS = {"process_cpu_seconds_total", "process_resident_memory_bytes", "process_start_time_seconds"}
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}
#: Of Grafana's units, those that are used here.
UNITS = {"none", "s", "bytes", "opm", "reqps", "percentunit"}
COLORS = {"green", "orange", "red", "text", "transparent"}


def every(value: Any, key: str) -> list[Any]:
    """All values of `key`, at any depth."""
    if isinstance(value, dict):
        return [
            found for name, child in value.items() for found in ([child] if name == key else []) + every(child, key)
        ]
    return [found for child in value for found in every(child, key)] if isinstance(value, list) else []


def test_it_can_be_imported_again_and_again() -> None:
    found = dashboard()
    assert found["id"] is None
    assert re.fullmatch(r"[a-zA-Z0-9_-]{8,40}", found["uid"])
    assert found["title"]
    assert found["schemaVersion"] == 39
    assert "__inputs" not in found


def test_it_asks_the_data_source_that_is_chosen_above_it() -> None:
    first, *others = dashboard()["templating"]["list"]
    assert (first["type"], first["name"], first["query"]) == ("datasource", "datasource", "prometheus")
    assert [variable["name"] for variable in others] == ["namespace", "pod", "token"]
    assert all(found == DATASOURCE for found in every(dashboard(), "datasource"))
    assert len(every(panels(), "datasource")) == len(panels()) + len(queries())


def test_where_pods_have_no_such_label_all_still_means_all() -> None:
    for variable in dashboard()["templating"]["list"][1:]:
        assert (variable["includeAll"], variable["multi"], variable["allValue"]) == (True, True, ".*")


def test_every_panel_has_a_place_of_its_own_within_the_width() -> None:
    places = [panel["gridPos"] for panel in dashboard()["panels"]]
    for place in places:
        assert 0 <= place["x"] < place["x"] + place["w"] <= 24
        assert place["h"] > 0
    for one, other in combinations(places, 2):
        apart = any(
            one[start] + one[size] <= other[start] or other[start] + other[size] <= one[start]
            for start, size in (("x", "w"), ("y", "h"))
        )
        assert apart, (one, other)


def test_panels_fill_each_row_from_the_top_to_the_bottom() -> None:
    cells = {
        (panel["gridPos"]["x"] + x, panel["gridPos"]["y"] + y)
        for panel in dashboard()["panels"]
        for x in range(panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["h"])
    }
    height = max(y for _, y in cells) + 1
    assert len(cells) == 24 * height


def test_panels_queries_and_titles_are_told_apart() -> None:
    ids = every(dashboard()["panels"], "id")
    numbers = [each for each in ids if isinstance(each, int)]
    assert len(numbers) == len(set(numbers)) == len(dashboard()["panels"])
    titles = [panel["title"] for panel in dashboard()["panels"]]
    assert len(titles) == len(set(titles))
    for panel in panels():
        references = [target["refId"] for target in panel["targets"]]
        assert references == list("ABCDEF"[: len(references)])


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: str(panel["title"]))
def test_a_panel_says_what_it_shows_in_which_unit(panel: dict[str, Any]) -> None:
    assert panel["type"] in {"stat", "table", "timeseries"}
    assert panel["title"][0].isupper()
    assert panel["description"].endswith(".")
    defaults, overrides = panel["fieldConfig"]["defaults"], panel["fieldConfig"]["overrides"]
    units = (
        {value["value"] for value in every(overrides, "properties")[0] if value["id"] == "unit"} if overrides else set()
    )
    assert {defaults.get("unit", "none"), *units} <= UNITS
    assert panel["type"] == "table" or "unit" in defaults
    for steps in every(panel, "steps"):
        assert steps[0]["value"] is None
        values = [step["value"] for step in steps[1:]]
        assert values == sorted(values)
        assert {step["color"] for step in steps} <= COLORS


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: str(panel["title"]))
def test_a_legend_is_short_and_a_table_is_asked_for_now(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        if panel["type"] == "table":
            assert (target["format"], target["instant"], target["range"]) == ("table", True, False)
        else:
            assert len(re.sub(r"{{\w+}}", "", target["legendFormat"])) <= 22
    columns = set(every(panel, "renameByName")[0].values()) if panel["type"] == "table" else set()
    named = {override["matcher"]["options"] for override in panel["fieldConfig"]["overrides"]}
    assert panel["type"] != "table" or named <= columns


def test_what_is_asked_for_is_what_the_broker_shows() -> None:
    asked = set()
    for query in queries():
        names = set(re.findall(r"\b(?:token_broker|process)_\w+", query.expression))
        asked |= {re.sub(r"_bucket$", "", name) for name in names}
        assert names, query
    assert asked == METRICS | PROCESS


def test_every_query_heeds_the_chosen_namespace_and_pod() -> None:
    for query in queries():
        selectors = re.findall(r"(?:token_broker|process)_\w+(\{[^}]*\})?", query.expression)
        assert all('namespace=~"$namespace", pod=~"$pod"' in selector for selector in selectors), query.expression
