"""How fast a token is handed out, and what that takes.

Run from the top of the repository: python -m benchmarks.handout.run
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.footprint.measuring import Samples
from benchmarks.handout import chart, herd, latency, memory, tables, throughput
from benchmarks.handout.subjects import Bench

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
IMAGES = HERE.parents[1] / "docs" / "images"


def main() -> None:
    """Measure, write, print, draw."""
    parser = argparse.ArgumentParser(description="The hand-out beside nginx and a bare aiohttp handler.")
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--seconds", type=float, default=5.0, metavar="N", help="for each server in each round")
    parser.add_argument("--json", type=Path, default=RESULTS, metavar="FILE", help="where every sample is written")
    parser.add_argument("--only", action="append", choices=[*_parts(1, 1.0)], help="measure this and keep the rest")
    parser.add_argument("--draw", action="store_true", help="measure nothing")
    arguments = parser.parse_args()
    results: dict[str, Any] = msgspec.json.decode(arguments.json.read_bytes()) if arguments.json.exists() else {}
    parts = _parts(arguments.rounds, arguments.seconds)
    for name in () if arguments.draw else arguments.only or parts:
        with tempfile.TemporaryDirectory() as directory:
            before = os.getloadavg()
            figures = parts[name](Bench(directory=Path(directory)))
            results[name] = {"load": [before, os.getloadavg()], "machine": _machine(), **figures}
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1))
    results = msgspec.json.decode(arguments.json.read_bytes())
    tables.show(results)
    chart.draw(results, IMAGES)


def _parts(number: int, seconds: float) -> Mapping[str, Callable[[Bench], dict[str, Any]]]:
    return {
        "throughput": partial(_throughput, throughput.measured, number=number, seconds=seconds),
        "connections": partial(_throughput, throughput.connecting, number=number, seconds=seconds),
        "latency": partial(_latency, number=number, seconds=2 * seconds),
        "memory": lambda bench: {"samples": memory.measured(bench, number=number)},
        "herd": lambda bench: {"samples": {"herd": [herd.measured(bench) for _ in range(number)]}},
    }


def _throughput(measure: Callable[..., Samples], bench: Bench, *, number: int, seconds: float) -> dict[str, Any]:
    return {"samples": measure(bench, number=number, seconds=seconds)}


def _latency(bench: Bench, *, number: int, seconds: float) -> dict[str, Any]:
    samples, stalls = latency.measured(bench, number=number, seconds=seconds)
    return {"samples": samples, "stalls": stalls}


def _machine() -> dict[str, object]:
    cpus = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("model name")[1].partition(":")[2]
    nginx = subprocess.run(["nginx", "-v"], stderr=subprocess.PIPE, check=True, encoding="utf-8")  # noqa: S607 - wherever
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": cpus.partition("\n")[0].strip(),
        "cores": os.cpu_count(),
        "nginx": nginx.stderr.strip().rpartition("/")[2],
    }


if __name__ == "__main__":
    if sys.platform != "linux":
        sys.exit("This needs Linux: taskset, /proc, wrk and nginx.")
    main()
