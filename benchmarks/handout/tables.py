"""The results as tables that Markdown understands."""

from collections.abc import Mapping
from typing import Any

from benchmarks.footprint.measuring import Samples, above, spread, times
from benchmarks.handout.subjects import LOOPS
from benchmarks.handout.throughput import IN_FULL


def show(results: Mapping[str, Any]) -> None:
    """Print what there is."""
    parts = {
        "throughput": _throughput,
        "connections": _connections,
        "latency": _latency,
        "memory": _memory,
        "herd": _herd,
    }
    for name, part in parts.items():
        if name in results:
            loads = [f"{load[0]:.1f}" for load in results[name]["load"]]
            print(f"\n{name} (load average {loads[0]} before, {loads[1]} after)\n")
            part(results[name])


def _row(*cells: str) -> None:
    print("|", " | ".join(f"{cell:24}" for cell in cells), "|")


def _head(*cells: str) -> None:
    _row(*cells)
    _row(*["---"] * len(cells))


def _rates(samples: Samples, first: str) -> None:
    _head(first, "requests/s", "server's CPU, us each", "of its core")
    for name in samples:
        cells = [spread(samples, name, "per_second").shown(",.0f"), spread(samples, name, "cpu_us").shown(".1f")]
        _row(name, *cells, spread(samples, name, "busy").shown(".2f"))
    print()


def _throughput(results: Mapping[str, Any]) -> None:
    samples: Samples = results["samples"]
    _rates(samples, "differs: who answers")
    _head("differs: compared", "by requests/s", "by CPU")
    for loop in LOOPS:
        _ratio(samples, f"nothing: token-broker, {loop}", "nothing: nginx")
        for differs in ("nothing", "three fields", IN_FULL):
            _ratio(samples, f"{differs}: token-broker, {loop}", f"{differs}: aiohttp Application, {loop}")
    print()
    _head("in full, above", "us of CPU")
    for loop in LOOPS:
        for who in ("token-broker", "token-broker with callers"):
            for base in ("aiohttp Application", "aiohttp web.Server"):
                one, other = f"{IN_FULL}: {who}, {loop}", f"{IN_FULL}: {base}, {loop}"
                _row(f"{who} above {base}, {loop}", above(samples, one, other, "cpu_us").shown("+.1f"))


def _connections(results: Mapping[str, Any]) -> None:
    samples: Samples = results["samples"]
    _rates(samples, "a connection each")
    _head("compared", "by requests/s", "by CPU")
    for loop in LOOPS:
        _ratio(samples, f"token-broker, {loop}", f"aiohttp Application, {loop}")


def _ratio(samples: Samples, one: str, other: str) -> None:
    faster = times(samples, one, other, "per_second").shown(".2f")
    _row(f"{one} / {other.rpartition(': ')[2]}", faster, times(samples, other, one, "cpu_us").shown(".2f"))


def _latency(results: Mapping[str, Any]) -> None:
    samples: Samples = results["samples"]
    _head("who answers", "p50, ms", "p99, ms", "longest, ms", "CPU, us each")
    for name, taken in samples.items():
        cells = [spread(samples, name, quantity).shown(".2f") for quantity in ("p50_ms", "p99_ms", "max_ms")]
        _row(name, *cells, spread(samples, name, "cpu_us").shown(".0f") if "cpu_us" in taken[0] else "")
    watched = next(name for name, taken in samples.items() if "stall_ms" in taken[0])
    print(f"\nrefreshes {spread(samples, watched, 'refreshes').shown('.0f')} a round, ", end="")
    print(f"keys {spread(samples, watched, 'keys').shown('.0f')}; the callbacks that took most CPU:\n")
    _head("callback", "CPU, ms", "of it collecting garbage")
    for stall in results["stalls"][:8]:
        _row(stall["what"], f"{stall['cpu_ms']:.2f}", f"{stall['garbage_ms']:.2f}")


def _memory(results: Mapping[str, Any]) -> None:
    samples: Samples = results["samples"]
    _head("KiB for one more", "Private_Dirty", "RSS")
    for name in samples:
        _row(name, *(spread(samples, name, quantity).shown(".1f") for quantity in ("private_dirty_kib", "rss_kib")))


def _herd(results: Mapping[str, Any]) -> None:
    samples: Samples = results["samples"]
    _head("herd", "token requests", "sent within, s", "answered within, s", "least expires_in")
    quantities = {"herd": ".0f", "requests": ".0f", "sent_s": ".2f", "answered_s": ".2f", "least_expires_in": ".0f"}
    _row(*(spread(samples, "herd", quantity).shown(form) for quantity, form in quantities.items()))
