"""The pictures in the documentation."""

import re

from PIL import Image

from browser.screenshots import IMAGES, PICTURES

PAGE = IMAGES.parent / "status-page.md"


def test_the_guide_shows_every_picture_and_no_other() -> None:
    shown = set(re.findall(r"images/(status-[a-z]+\.png)", PAGE.read_text()))
    assert shown == set(PICTURES) == {file.name for file in IMAGES.glob("status-*.png")}


def test_no_picture_is_heavy() -> None:
    assert {name for name in PICTURES if (IMAGES / name).stat().st_size > 200_000} == set()


def test_every_picture_has_the_width_that_it_was_taken_with() -> None:
    for name, picture in PICTURES.items():
        with Image.open(IMAGES / name) as image:
            assert image.width == picture.width * 1.5
