"""The pictures in the documentation are what `check` prints."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from check.pictures import IMAGES
from check.terminal import text_of

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "check.md"
#: What differs between two runs: points in time, and what a clock is off.
VARIABLE = r"\d{4}-\d\d-\d\d( \d\d:\d\d:\d\d)?|[\d.]+ s (behind|ahead of)|\d+ min behind"


@pytest.fixture(scope="module")
def played() -> dict[str, list[str]]:
    """The text of every picture, made now."""
    command = [sys.executable, "-m", "check.pictures", "--text"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def steady(lines: list[str]) -> str:
    """Without what differs between two runs, line breaks included: a longer number may move a word."""
    return " ".join(re.sub(VARIABLE, "?", " ".join(" ".join(lines).split())).split())


def test_every_picture_is_what_is_printed_today(played: dict[str, list[str]]) -> None:
    shown = {name: steady(text_of(IMAGES / name)) for name in played}
    assert shown == {name: steady(lines) for name, lines in played.items()}, "run: python -m check.pictures"


def test_the_page_shows_every_picture_and_no_other(played: dict[str, list[str]]) -> None:
    shown = re.findall(r"images/(check-[a-z]+\.svg)", PAGE.read_text())
    assert sorted(shown) == sorted(played) == sorted(file.name for file in IMAGES.glob("check-*.svg"))


def test_no_line_of_a_picture_is_wider_than_a_terminal(played: dict[str, list[str]]) -> None:
    wide = [line for lines in played.values() for line in lines if len(line) > 80]
    assert wide == []


def test_a_picture_brings_nothing_from_elsewhere() -> None:
    for picture in IMAGES.glob("check-*.svg"):
        assert not re.search(r"href|url\(|<script|<image|<style", picture.read_text())


def test_every_kind_of_trouble_that_the_page_promises_has_its_reason_in_a_picture(played: dict[str, list[str]]) -> None:
    text = " ".join(" ".join(lines) for lines in played.values())
    promised = (
        *("auth_method", "clock", "tls_failed", "proxy_failed", "dns_failed", "discovery_failed", "issuer_mismatch"),
        *("audience_refused", "scope_refused", "dpop_required"),
    )
    assert [reason for reason in promised if f"({reason})" not in text] == []
