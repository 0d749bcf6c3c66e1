"""The pictures: requests a second, and how soon an answer comes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from benchmarks.footprint.measuring import Samples, spread

# Okabe and Ito's colours, which are told apart whatever colours one sees.
COLOURS = {"nginx": "#8C8C8C", "token-broker": "#0072B2", "aiohttp Application": "#E69F00"}
BLACK = "#1F1F1F"
STYLE: dict[RcKeyType, Any] = {
    "svg.hashsalt": "token-broker",  # otherwise ids are drawn at random
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9.0,
    "text.color": BLACK,
    "axes.edgecolor": "#8C8C8C",
    "axes.labelcolor": BLACK,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "x",
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "ytick.left": False,
    "figure.facecolor": "white",  # GitHub's dark theme shows through otherwise
}
WIDTH = 8.4
KINDS = {
    "nothing": "The same head again and again",
    "three fields": "Another X-Request-ID, traceparent and User-Agent in every request",
    "in full": "A field that the response cache leaves to aiohttp: answered in full",
}


def draw(results: Mapping[str, Any], folder: Path) -> None:
    """Write those whose figures are there."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"throughput": _throughput, "latency": _latency}
    with mpl.rc_context(STYLE):
        for name, picture in pictures.items():
            if name in results:
                figure = picture(results[name]["samples"])
                figure.savefig(folder / f"handout-{name}.svg", metadata={"Date": None, "Creator": None})


def _throughput(samples: Samples) -> Figure:
    """A panel for each kind of heads, on one scale."""
    shown = {
        differs: [
            name
            for name in samples
            if name.startswith(f"{differs}: ") and name.partition(": ")[2].partition(",")[0] in COLOURS
        ]
        for differs in KINDS
    }
    figure = Figure(figsize=(WIDTH, 5.0), layout="constrained")
    heights = [len(names) for names in shown.values()]
    axes: Sequence[Axes] = figure.subplots(len(shown), 1, sharex=True, height_ratios=heights)
    for axis, (differs, names) in zip(axes, shown.items(), strict=True):
        axis.set_title(KINDS[differs])
        _bars(axis, samples, {name.partition(": ")[2]: name for name in names}, "per_second", ".0f", unit=1000)
    axes[-1].set_xlabel("thousand requests a second on one core, 16 connections; the median, and lines to the extremes")
    return figure


def _latency(samples: Samples) -> Figure:
    """Two panels, each on its own scale: p99 is another world."""
    figure = Figure(figsize=(WIDTH, 2.4), layout="constrained")
    names = {name: name for name in samples if not name.endswith("watched")}
    axes: Sequence[Axes] = figure.subplots(1, 2, sharey=True)
    for axis, share in zip(axes, ("p50", "p99"), strict=True):
        axis.set_title(f"{share} at 1,000 requests a second")
        axis.set_xlabel("ms after the request was due")
        _bars(axis, samples, names, f"{share}_ms", ".2f")
    return figure


def _bars(axis: Axes, samples: Samples, names: Mapping[str, str], quantity: str, form: str, unit: float = 1) -> None:
    """A bar for each label, in units of `unit`; the names behind the labels are those of `samples`."""
    spreads = [spread(samples, name, quantity) for name in names.values()]
    medians = [one.median / unit for one in spreads]
    reach = [[(one.median - one.low) / unit for one in spreads], [(one.high - one.median) / unit for one in spreads]]
    colours = [COLOURS[label.partition(",")[0]] for label in names]
    axis.barh([*names], medians, xerr=reach, color=colours, height=0.72, error_kw={"ecolor": BLACK, "elinewidth": 0.8})
    if not axis.yaxis_inverted():  # it may be shared
        axis.invert_yaxis()
    for place, one in enumerate(spreads):
        axis.annotate(
            f"{one.median / unit:{form}}",
            (one.high / unit, place),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
        )
    axis.margins(x=0.12)
