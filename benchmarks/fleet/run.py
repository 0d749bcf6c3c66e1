"""Simulate a fleet of token-brokers: figures, pictures, and the page that shows them.

Run from the top of the repository: python -m benchmarks.fleet.run
"""

import sys
import time
from pathlib import Path

import msgspec

from benchmarks.fleet.page import PAGE, RESULTS, filled
from benchmarks.fleet.plots import draw
from benchmarks.fleet.scenarios import Scenarios

IMAGES = PAGE.parent / "images"


def main(images: Path = IMAGES) -> None:
    """Write benchmarks/fleet/results.json, docs/images/scaling-*.svg and the figures in docs/scaling.md."""
    scenarios = Scenarios().all()
    records, figures = {}, {}
    for name, scenario in scenarios.items():
        began = time.perf_counter()
        records[name] = scenario.run()
        figures[name] = scenario.figures(records[name])
        print(f"{name:28} {time.perf_counter() - began:5.1f} s", file=sys.stderr)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1) + b"\n")
    images.mkdir(exist_ok=True)
    draw(records, scenarios, images)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), figures), encoding="utf-8")


if __name__ == "__main__":
    main()
