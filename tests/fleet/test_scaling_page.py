"""docs/scaling.md: its figures are those of the simulation, and its other numbers are right."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.fleet import plots
from benchmarks.fleet.page import BLOCK, BLOCKS, PAGE, filled, load
from benchmarks.fleet.record import Record
from benchmarks.fleet.scenarios import PODS, Scenarios
from broker.core.settings import Startup
from broker.observers.metrics import Metrics
from told_events import a_busy_week, settings

TEXT = PAGE.read_text(encoding="utf-8")
IMAGES = PAGE.parent / "images"
PICTURES = sorted(IMAGES.glob("scaling-*.svg"))
REPOSITORY = PAGE.parents[1]


def test_the_page_has_every_figure_once() -> None:
    assert sorted(name for _, name, _ in BLOCK.findall(TEXT)) == sorted(BLOCKS)


def test_the_figures_in_the_page_are_those_of_the_results() -> None:
    assert filled(TEXT, load()) == TEXT, "run: python -m benchmarks.fleet.run"


def test_the_results_are_those_of_every_scenario() -> None:
    assert list(load()) == list(Scenarios().all())


def test_what_the_sentences_say_beside_their_numbers_is_so() -> None:
    results = load()
    at_once = results["start, 2000, 75 at once"].wait_longest - results["start, 2000"].wait_longest
    assert 30 < at_once < 90, "Okta's limit of 75 requests at once costs a minute"
    assert results["storm, 2000"].missed_pods == 0
    assert results["storm, 600"].missed_pods == 0
    assert results["deploy, 600"].limited == 0
    assert results["start, 600"].wait_longest < 1.05 * PODS / 600 * 60, "hardly any of what is allowed stays unused"
    # The formula for refusals, and the outage that is not noticed.
    assert results["start, 600"].limited == pytest.approx(PODS**2 / 1200 - PODS / 2, rel=0.05)
    assert results["start, 2000"].limited == pytest.approx(PODS**2 / 4000 - PODS / 2, rel=0.05)
    assert results["outage of 15 minutes, 2000"].missed_pods == 0
    assert results["outage of 20 minutes, 600"].missed_pods > 0


def test_every_picture_is_shown_and_described() -> None:
    shown = re.findall(r"!\[([^\]]+)\]\(images/([^)]+)\)", TEXT)
    assert sorted(file for _, file in shown) == [picture.name for picture in PICTURES]
    assert all(len(words) > 80 for words, _ in shown)


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.stem)
def test_a_picture_is_small_and_has_a_background_of_its_own(picture: Path) -> None:
    assert picture.stat().st_size < 150_000
    first = next(ET.parse(picture).iter("{http://www.w3.org/2000/svg}path"))  # noqa: S314 - our own file
    assert "fill: #ffffff" in first.get("style", "")


def series() -> Iterator[str]:
    metrics = Metrics(settings("users"), now=lambda: 1.0, wall=lambda: 1.0)
    for event in a_busy_week("users"):
        metrics(event)
    yield from (sample.name for family in metrics.registry.collect() for sample in family.samples)


def dropped() -> re.Pattern[str]:
    found = re.search(r"^    regex: (\S+)$", TEXT, re.MULTILINE)
    assert found
    return re.compile(found[1])


def test_what_is_dropped_at_the_scrape_leaves_the_series_that_the_page_counts() -> None:
    kept = [name for name in series() if not dropped().fullmatch(name)]
    # A token has up to five reasons of failure; the busy week has four.
    assert len(kept) + 1 == 18
    assert f"{18 * PODS:,}" in TEXT


def test_no_alert_needs_what_is_dropped_at_the_scrape() -> None:
    alerts = (REPOSITORY / "helm/token-broker/files/alerts.yaml").read_text(encoding="utf-8")
    names = set(re.findall(r"\b(?:token_broker|process)_\w+", alerts))
    assert names
    assert [name for name in names if dropped().fullmatch(name)] == []


def test_the_page_says_how_long_startup_waits_by_default() -> None:
    assert f"after {Startup().wait:g} s, unless" in " ".join(TEXT.split())


@pytest.mark.slow
def test_the_committed_results_and_pictures_are_made_by_this_code(tmp_path: Path) -> None:
    scenarios = Scenarios().all()
    records: dict[str, Record] = {name: scenario.run() for name, scenario in scenarios.items()}
    assert {name: scenario.figures(records[name]) for name, scenario in scenarios.items()} == load()
    plots.draw(records, scenarios, tmp_path)
    for picture in PICTURES:
        assert (tmp_path / picture.name).read_bytes() == picture.read_bytes(), "run: python -m benchmarks.fleet.run"
