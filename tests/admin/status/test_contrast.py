"""Both themes can be read: WCAG 2.2, 1.4.3 (text, 4.5 to 1) and 1.4.11 (what else carries meaning, 3 to 1)."""

import re
from pathlib import Path

import pytest

from broker.admin import status

STYLE = (Path(status.__file__).parent / "page.css").read_text()
THEMES = dict(zip(("light", "dark"), re.findall(r":root \{(.*?)\}", STYLE, re.DOTALL), strict=True))

#: What stands on what.
TEXT = [
    *((ink, back) for ink in ("ink", "soft", "link") for back in ("page", "card", "warn-back", "bad-back")),
    *((level, "card") for level in ("good", "wait", "warn", "bad")),
    ("ink", "sunk"),
    ("page", "bad"),  # the banner when nobody answers
]
SHAPES = [
    *((bar, back) for bar in ("good-bar", "warn-bar", "bad-bar", "window") for back in ("card",)),
    *((bar, "track") for bar in ("good-bar", "warn-bar")),
    *((level, back) for level in ("good", "wait", "warn", "bad") for back in ("page", "card")),
    ("warn", "warn-back"),
    ("mark", "good-bar"),  # the mark of the lead
    ("mark", "warn-bar"),
    ("mark", "track"),
]


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(theme: str, one: str, other: str) -> float:
    colours = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", THEMES[theme]))
    bright, dim = sorted((luminance(colours[one]), luminance(colours[other])), reverse=True)
    return (bright + 0.05) / (dim + 0.05)


@pytest.mark.parametrize("theme", THEMES)
def test_text_stands_out_from_what_is_behind_it(theme: str) -> None:
    assert [pair for pair in TEXT if contrast(theme, *pair) < 4.5] == []


@pytest.mark.parametrize("theme", THEMES)
def test_bars_and_marks_stand_out_from_what_is_behind_them(theme: str) -> None:
    assert {pair: contrast(theme, *pair) for pair in SHAPES if contrast(theme, *pair) < 3.0} == {}


def test_every_colour_is_one_of_the_theme() -> None:
    rest = STYLE
    for theme in THEMES.values():
        rest = rest.replace(theme, "")
    assert not re.findall(r"#[0-9a-f]{3,8}\b|rgba?\(", rest)
    assert re.findall(r"--([a-z-]+):", THEMES["light"]) == re.findall(r"--([a-z-]+):", THEMES["dark"])
