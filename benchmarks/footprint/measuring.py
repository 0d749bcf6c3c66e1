"""How things are measured here: in rounds, each of which measures everything once.

A machine that gets slower then slows all of it, and what is compared is compared within a round. Of the rounds the
median counts, and the extremes are shown.
"""

import contextlib
import http.client
import math
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PATIENCE = 30.0
POLL = 0.002  # seconds between two questions whether it is ready
SETTLE = 0.5  # seconds from ready to reading the memory
# Without what changes how Python starts: above all it has to keep its bytecode, as an image does.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "TOKEN_BROKER_"))}

#: One measurement: a number for each quantity, `nan` where the system does not tell.
Sample = dict[str, float]
Samples = dict[str, list[Sample]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A command that, when it is ready, answers 200 to GET `path` on `port` of 127.0.0.1."""

    command: Sequence[str]
    port: int
    path: str = "/readyz"

    def is_ready(self) -> bool:
        """Whether it answers 200 now."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", self.path)
            return connection.getresponse().status == http.HTTPStatus.OK
        except OSError:
            return False
        finally:
            connection.close()

    def start(self) -> Sample:
        """Start and stop it: `ready_ms` from exec to ready, `cpu_ms` of it, `rss_mib` and `private_dirty_mib` later."""
        began = time.perf_counter()
        with started(self) as pid:
            ready = time.perf_counter() - began
            used = cpu_time(pid)
            time.sleep(SETTLE)
            taken = {"rss_mib": memory(pid, "Rss"), "private_dirty_mib": memory(pid, "Private_Dirty")}
        return {"ready_ms": ready * 1000, "cpu_ms": used * 1000, **taken}


@contextlib.contextmanager
def started(server: Server) -> Iterator[int]:
    """The pid of the running server, once it is ready. Ends the program with its words when it does not get there."""
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(server.command, stdout=said, stderr=said, env=ENVIRONMENT) as process,
    ):
        try:
            deadline = time.monotonic() + PATIENCE
            while not server.is_ready():
                if process.poll() is not None or time.monotonic() > deadline:
                    said.seek(0)
                    sys.exit(f"\n{' '.join(server.command)}\ndoes not get ready and says:\n{said.read().decode()}")
                time.sleep(POLL)
            yield process.pid
        finally:
            process.terminate()


def run(command: Sequence[str]) -> Sample:
    """Runs a command that has to succeed: `done_ms` from start to end."""
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=ENVIRONMENT)
    return {"done_ms": (time.perf_counter() - began) * 1000}


def rounds(number: int, subjects: Mapping[str, Callable[[], Sample]]) -> Samples:
    """Measures every subject `number` times, in turn; a round before those compiles, fills caches, and is dropped."""
    samples: Samples = {name: [] for name in subjects}
    for done in range(number + 1):
        for name, measure in subjects.items():
            if sys.stderr.isatty():
                print(f"\r{done}/{number} {name:24}\r", end="", file=sys.stderr, flush=True)
            samples[name].append(measure())
    return {name: taken[1:] for name, taken in samples.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median of the rounds, and the extremes."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """At least one value."""
        return cls(median=statistics.median(values), low=min(values), high=max(values))

    def shown(self, form: str) -> str:
        """As a cell of a table, each number in `form`."""
        if math.isnan(self.median):
            return "not told"
        return f"{self.median:{form}} ({self.low:{form}} to {self.high:{form}})"


def spread(samples: Samples, subject: str, quantity: str) -> Spread:
    """Of one subject."""
    return Spread.of([sample[quantity] for sample in samples[subject]])


def times(samples: Samples, subject: str, base: str, quantity: str) -> Spread:
    """One subject as a multiple of another in the same round."""
    pairs = zip(samples[subject], samples[base], strict=True)
    return Spread.of([one[quantity] / other[quantity] for one, other in pairs])


def above(samples: Samples, subject: str, base: str, quantity: str) -> Spread:
    """What one subject has more than another in the same round."""
    pairs = zip(samples[subject], samples[base], strict=True)
    return Spread.of([one[quantity] - other[quantity] for one, other in pairs])


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def cpu_time(pid: int) -> float:
    """Seconds that all threads of a process have run, in user space and kernel; `nan` without /proc."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return sum(int((task / "schedstat").read_text(encoding="ascii").split()[0]) for task in tasks) / 1e9
    except OSError:
        return math.nan


def memory(pid: int, field: str) -> float:
    """A field of /proc/PID/smaps_rollup in MiB; `nan` without such a file, or where it may not be read.

    The broker keeps other processes of its own user from reading it, with ptrace and core dumps; root may.
    """
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    except OSError:
        return math.nan
    found = re.search(rf"^{field}:\s+(\d+) kB$", rollup, re.MULTILINE)
    return int(found[1]) / 1024 if found else math.nan
