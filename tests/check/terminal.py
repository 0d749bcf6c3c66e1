"""Lines with colours -> an SVG of the terminal that shows them, for a page; and back to text."""

import re
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from html import escape
from pathlib import Path

COLOURS = {
    "": "#d7dae0",
    "green": "#7bd88f",
    "red": "#ff7b72",
    "yellow": "#e3b341",
    "dim": "#8b949e",
    "bold": "#ffffff",
}
CELL, LINE, SIZE, MARGIN = 8.4, 19, 14, 18
COLUMNS = 80
FONT = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'Liberation Mono', monospace"
#: Not in any report.
OPEN, CLOSE = "\x01", "\x02"
NAMESPACE = "{http://www.w3.org/2000/svg}"


def paint(text: str, style: str) -> str:
    """For `broker.cli.check.text`: the style is marked, to be drawn by `drawn`."""
    return f"{OPEN}{style}{CLOSE}{text}{OPEN}{CLOSE}"


def drawn(lines: Iterable[str], *, title: str) -> str:
    """The picture."""
    rows = list(lines)
    width, height = round(COLUMNS * CELL + 2 * MARGIN), len(rows) * LINE + 2 * MARGIN
    texts = [_row(row, MARGIN + number * LINE + SIZE) for number, row in enumerate(rows)]
    return "\n".join(
        [
            (
                f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"'
                f' viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}">'
            ),
            f"<title>{escape(title)}</title>",
            f'<rect width="{width}" height="{height}" rx="8" fill="#16181d"/>',
            f'<g font-family="{escape(FONT)}" font-size="{SIZE}" fill="{COLOURS[""]}">',
            *filter(None, texts),
            "</g>",
            "</svg>\n",
        ]
    )


def text_of(picture: Path) -> list[str]:
    """What stands in the picture, without blank lines."""
    return ["".join(row.itertext()) for row in ET.parse(picture).iter(f"{NAMESPACE}text")]  # noqa: S314 - our own file


def unpainted(line: str) -> str:
    return re.sub(f"{OPEN}.*?{CLOSE}", "", line)


def _row(row: str, y: float) -> str:
    """One line; its length is given, so that columns line up in whatever font there is."""
    plain = unpainted(row)
    if not plain.strip():
        return ""
    spans, style = [], ""
    for part in re.split(f"({OPEN}.*?{CLOSE})", row):
        if part.startswith(OPEN):
            style = part[1:-1]
        elif part:
            bold = ' font-weight="bold"' if style in {"bold", "red"} else ""
            fill = f' fill="{COLOURS[style]}"' if style else ""
            spans.append(
                f"<tspan{fill}{bold}>{escape(part, quote=False)}</tspan>" if style else escape(part, quote=False)
            )
    length = f"{len(plain) * CELL:.1f}"
    return f'<text x="{MARGIN}" y="{y:g}" xml:space="preserve" textLength="{length}">{"".join(spans)}</text>'
