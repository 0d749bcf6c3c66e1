"""The pictures of docs/scaling.md, the same bytes in every run."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator
from matplotlib.typing import RcKeyType

from benchmarks.fleet.record import MINUTE, Record
from benchmarks.fleet.scenarios import CALM, HIGH, LOW, PODS, Scenario
from benchmarks.fleet.server import Outcome

#: Okabe and Ito's colours, which are told apart whatever colours one sees.
BLUE, ORANGE, RED, GREY, BLACK = "#0072B2", "#E69F00", "#D55E00", "#8C8C8C", "#1F1F1F"
STYLE: dict[RcKeyType, Any] = {
    "svg.hashsalt": "token-broker",  # otherwise ids are drawn at random
    "font.family": "DejaVu Sans",  # comes with matplotlib
    "font.size": 9.0,
    "text.color": BLACK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": BLACK,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#E4E4E4",
    "grid.linewidth": 0.6,
    "xtick.color": BLACK,
    "ytick.color": BLACK,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.facecolor": "white",  # GitHub's dark theme shows through otherwise
    "path.simplify_threshold": 0.3,
}
WIDTH = 8.4
OUTCOMES: Mapping[Outcome, tuple[str, str]] = {
    "granted": (BLUE, "granted"),
    "limited": (ORANGE, "refused: 429"),
    "failed": (GREY, "no answer"),
}

Records = Mapping[str, Record]


def draw(records: Records, scenarios: Mapping[str, Scenario], folder: Path) -> None:
    """Write all of them."""
    pictures = {"start": _start, "day": _day, "storm": _storm, "outage": _outage, "deploy": _deploy}
    with mpl.rc_context(STYLE):
        for name, picture in pictures.items():
            figure = picture(records, scenarios)
            figure.savefig(folder / f"scaling-{name}.svg", metadata={"Date": None, "Creator": None})


def _figure(rows: int, columns: int, height: float) -> tuple[Figure, list[list[Axes]]]:
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes: list[list[Axes]] = figure.subplots(rows, columns, sharex="col", sharey="row", squeeze=False).tolist()
    for row in axes:
        for axis in row:
            axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _place: f"{value:,.0f}"))
    return figure, axes


def _stack(axis: Axes, record: Record, minutes: slice, since: int, unit: int) -> None:
    """Requests per minute by outcome, one above the other.

    The x axis counts from minute `since`, in units of `unit` minutes.
    """
    below: list[int] = []
    for outcome, (colour, label) in OUTCOMES.items():
        counts = record.per_minute(outcome)[minutes]
        if not any(counts):
            continue
        levels = [(low, low + count) for low, count in zip_longest(below, counts, fillvalue=0)]
        # A minute that is as the one before, or after the last of its kind, costs no bytes.
        steps = levels[: 1 + max(number for number, count in enumerate(counts) if count)]
        changes = [number for number, step in enumerate(steps) if number == 0 or step != steps[number - 1]]
        axis.stairs(
            [steps[number][1] for number in changes],
            [(minutes.start - since + number) / unit for number in (*changes, len(steps))],
            baseline=[steps[number][0] for number in changes] if below else 0,
            fill=True,
            color=colour,
            linewidth=0,
            label=label,
        )
        below = [high for _, high in levels]


def _limit(axis: Axes, scenario: Scenario, minutes: slice, since: int, unit: int) -> None:
    """What the server grants in a minute."""
    limits = [scenario.server.limit(minute * MINUTE) for minute in range(minutes.start, minutes.stop)]
    edges = [(minutes.start - since + number) / unit for number in range(len(limits) + 1)]
    axis.stairs(limits, edges, baseline=None, color=BLACK, linewidth=1.1, linestyle=(0, (4, 2)), label="limit")


def _start(records: Records, scenarios: Mapping[str, Scenario]) -> Figure:
    figure, axes = _figure(2, 2, 4.6)
    minutes = slice(0, 20)
    for column, per_minute in enumerate((LOW, HIGH)):
        above, below = axes[0][column], axes[1][column]
        name = f"start, {per_minute}"
        _stack(above, records[name], minutes, 0, 1)
        _limit(above, scenarios[name], minutes, 0, 1)
        above.set_title(f"Limit {per_minute:,} a minute")
        served = records[name].served(5)
        below.plot([5 * step / MINUTE for step in range(len(served))], served, color=BLUE, linewidth=1.6)
        below.axhline(PODS, color=GREY, linewidth=0.8)
        below.set_xlim(0, 20)
        below.xaxis.set_major_locator(MultipleLocator(5))
        below.set_xlabel("minutes after the start")
    axes[0][0].set_ylabel("requests per minute")
    axes[1][0].set_ylabel("pods that have a token")
    axes[0][1].legend(loc="upper right")
    return figure


def _day(records: Records, _scenarios: Mapping[str, Scenario]) -> Figure:
    figure, axes = _figure(2, 1, 4.4)
    titles = {"day, plain": "Refresh at 80 % of the lifetime, no jitter", "day": "token-broker"}
    for (axis,), (name, title) in zip(axes, titles.items(), strict=True):
        _stack(axis, records[name], slice(0, 24 * 60), 0, 60)
        axis.set_title(title)
        axis.set_ylabel("requests per minute")
        axis.set_ylim(0, 2300)
        axis.annotate(
            f"first minute: {records[name].per_minute()[0]:,}",
            (0.02, 2300),
            xytext=(0.8, 2230),
            va="top",
            fontsize=8.5,
            annotation_clip=False,
        )
    axes[0][0].legend(loc="upper right", ncols=2)
    last = axes[1][0]
    last.set_xlim(0, 24)
    last.xaxis.set_major_locator(MultipleLocator(2))
    last.set_xlabel("hours after the start")
    return figure


def _storm(records: Records, scenarios: Mapping[str, Scenario]) -> Figure:
    names = {f"storm, {limit}": f"Limit {limit:,} a minute, cut to {limit // 10:,}" for limit in (LOW, HIGH)}
    figure, axes = _troubled(records, scenarios, names, begins=-10, ends=90)
    for axis, name in zip(axes, names, strict=True):
        record = records[name]
        left = [seconds / MINUTE for seconds in record.tightest()]
        axis.plot(_minutes(len(left)), left, color=RED, linewidth=1.2)
        axis.axhline(0, color=BLACK, linewidth=0.8)
    axes[0].set_ylabel("shortest time left of\na token replaced, minutes")
    return figure


def _outage(records: Records, scenarios: Mapping[str, Scenario]) -> Figure:
    names = {f"outage of 30 minutes, {limit}": f"Limit {limit:,} a minute" for limit in (LOW, HIGH)}
    figure, axes = _troubled(records, scenarios, names, begins=-10, ends=90)
    for axis, name in zip(axes, names, strict=True):
        missing = records[name].missing(MINUTE)
        axis.plot(_minutes(len(missing)), missing, color=RED, linewidth=1.4)
    axes[0].set_ylabel("pods without a token")
    return figure


def _troubled(
    records: Records, scenarios: Mapping[str, Scenario], names: Mapping[str, str], *, begins: int, ends: int
) -> tuple[Figure, list[Axes]]:
    """Requests above, for each name; what lies below is returned, empty."""
    figure, axes = _figure(2, len(names), 4.6)
    calm = CALM // MINUTE
    minutes = slice(calm + begins, calm + ends)
    for column, (name, title) in enumerate(names.items()):
        above, below = axes[0][column], axes[1][column]
        _stack(above, records[name], minutes, calm, 1)
        _limit(above, scenarios[name], minutes, calm, 1)
        above.set_title(title)
        over = (scenarios[name].over - CALM) / MINUTE
        for axis in (above, below):
            axis.axvspan(0, over, color=GREY, alpha=0.18, linewidth=0, zorder=0)
        below.set_xlim(begins, ends)
        below.set_xlabel("minutes after it began")
    axes[0][0].set_ylabel("requests per minute")
    axes[0][-1].legend(loc="upper right")
    return figure, axes[1]


def _deploy(records: Records, scenarios: Mapping[str, Scenario]) -> Figure:
    figure, axes = _figure(1, 1, 2.7)
    axis, name, calm = axes[0][0], "deploy, 600", CALM // MINUTE
    minutes = slice(calm - 60, calm + 240)
    _stack(axis, records[name], minutes, calm, 60)
    _limit(axis, scenarios[name], minutes, calm, 60)
    axis.axvspan(0, 1, color=GREY, alpha=0.18, linewidth=0, zorder=0)
    axis.set_xlim(-1, 4)
    axis.set_ylim(0, 780)
    axis.set_xlabel("hours after the deploy began")
    axis.set_ylabel("requests per minute")
    axis.legend(loc="upper right", ncols=2)
    return figure


def _minutes(number: int) -> Sequence[int]:
    """Those of a record, counted from when something happens."""
    return range(-CALM // MINUTE, number - CALM // MINUTE)
