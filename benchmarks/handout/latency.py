"""How soon an answer comes at 1,000 requests a second, while tokens are refreshed and keys are swapped."""

import contextlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec

from benchmarks.footprint.measuring import Sample, Samples, rounds
from benchmarks.handout.subjects import LOAD, LOOPS, Bench, Issuer, Subject, fetched

RATE = 1000
TOKENS = 20
LIFETIME = "4s"  # a token is replaced when it is 2 s old at the latest
OPEN_LOOP = str(Path(__file__).with_name("open_loop.py"))
WATCHED = [sys.executable, "-m", "benchmarks.handout.watched"]


class Stall(msgspec.Struct, frozen=True):
    """A callback that held the loop; milliseconds of the thread's CPU, of which for collecting garbage."""

    at: float
    cpu_ms: float
    garbage_ms: float
    what: str


def measured(bench: Bench, *, number: int, seconds: float) -> tuple[Samples, list[Stall]]:
    """For nginx and each loop the latencies, and what kept the loop of a broker under the same load for longest."""
    stalls: list[Stall] = []
    paths = [f"/v1/tokens/t{token}" for token in range(TOKENS)]
    with bench.issuer(LIFETIME) as issuer:
        with bench.broker(issuer, tokens=TOKENS) as broker:
            body = broker.get(paths[0])

        def nginx() -> Sample:
            with bench.nginx(body, paths) as subject:
                return _asked(bench, subject, seconds)

        def broker_on(loop: str) -> Sample:
            with bench.broker(issuer, loop=loop, tokens=TOKENS) as subject:
                return _refreshing(bench, subject, issuer, seconds)

        def watched() -> Sample:
            record = bench.folder() / "stalls"
            with bench.broker(issuer, tokens=TOKENS, program=[*WATCHED, str(record)]) as subject:
                began = time.monotonic()
                sample = _refreshing(bench, subject, issuer, seconds)
                ended = time.monotonic()
            kept = [msgspec.json.decode(line, type=Stall) for line in record.read_bytes().splitlines()]
            kept = [stall for stall in kept if began < stall.at < ended]
            stalls.extend(kept)
            return sample | {"stall_ms": max((stall.cpu_ms for stall in kept), default=0.0)}

        subjects = {f"token-broker, {loop}": partial(broker_on, loop) for loop in LOOPS}
        samples = rounds(number, {"nginx": nginx, **subjects, "token-broker, watched": watched})
    return samples, sorted(stalls, key=lambda stall: -stall.cpu_ms)[:20]


def _asked(bench: Bench, subject: Subject, seconds: float) -> Sample:
    command = [sys.executable, OPEN_LOOP, str(subject.port), str(RATE), str(seconds), str(TOKENS)]
    done = subprocess.run(bench.on(LOAD, command), stdout=subprocess.PIPE, check=True, encoding="utf-8")
    sample: Sample = json.loads(done.stdout)
    return sample


def _refreshing(bench: Bench, subject: Subject, issuer: Issuer, seconds: float) -> Sample:
    """The same while there is much to do: what was done is told as well."""
    time.sleep(2)  # the first tokens came all at once; their refreshes spread
    requests, reloads, cpu = issuer.requests(), _reloads(subject), subject.cpu()
    with _swapping(subject, issuer):
        sample = _asked(bench, subject, seconds)
    return sample | {
        "refreshes": issuer.requests() - requests,
        "keys": _reloads(subject) - reloads,
        "cpu_us": (subject.cpu() - cpu) / sample["requests"] * 1e6,
    }


@contextlib.contextmanager
def _swapping(subject: Subject, issuer: Issuer) -> Iterator[None]:
    """Every second the key file holds the other key, and the broker is told to look."""
    ended = threading.Event()

    def swap() -> None:
        number = 0
        while not ended.wait(1.0):
            number += 1
            issuer.swap(number)
            subject.signal(signal.SIGHUP)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _reloads(subject: Subject) -> int:
    wanted = b'token_broker_key_reloads_total{client="okta",outcome="success"} '
    found = [line for line in fetched(subject.admin, "/metrics").splitlines() if line.startswith(wanted)]
    return int(float(found[0].removeprefix(wanted)))
