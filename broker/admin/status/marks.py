"""SVG icons for severity levels, distinguishable by shape without colour."""

from functools import cache
from urllib.parse import quote

from broker.admin.status.sentences import Level

#: Disc with a tick, dashed ring, triangle, octagon, in a box of 16 by 16. The style sheet defines `on` and `ring`.
SHAPES: dict[Level, str] = {
    "good": '<circle cx="8" cy="8" r="7"/><path class="on" d="M4.6 8.4l2.3 2.3 4.5-5"/>',
    "wait": '<circle class="ring" cx="8" cy="8" r="6"/>',
    "warn": '<path d="M8 .9 15.6 14.4H.4z"/><path class="on" d="M8 5.4v4.2M8 11.7v.9"/>',
    "bad": '<path d="M5.1 1h5.8L15 5.1v5.8L10.9 15H5.1L1 10.9V5.1z"/>'
    '<path class="on" d="M5.4 5.4l5.2 5.2M10.6 5.4 5.4 10.6"/>',
}
#: Colours of the favicon, which no style sheet applies to; visible on light and dark backgrounds.
COLOURS: dict[Level, str] = {"good": "#1f9254", "wait": "#4a7fd0", "warn": "#c98a10", "bad": "#d63a3f"}
ON, RING = (
    'fill="none" stroke="#fff" stroke-width="2"',
    'fill="none" stroke="{}" stroke-width="2.5" stroke-dasharray="3"',
)


def mark(level: Level) -> str:
    """The icon as inline SVG."""
    return f'<svg class="mark" viewBox="0 0 16 16" aria-hidden="true">{SHAPES[level]}</svg>'


@cache
def icon(level: Level) -> str:
    """The favicon as a data URL."""
    colour = COLOURS[level]
    shapes = SHAPES[level].replace('class="on"', ON).replace('class="ring"', RING.format(colour))
    picture = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16" fill="{colour}">{shapes}</svg>'
    return "data:image/svg+xml," + quote(picture, safe=" =:/()',")
