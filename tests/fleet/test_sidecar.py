"""The simulated sidecar beside a running broker: same draws, same troubles, same attempts."""

import asyncio
import math
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from benchmarks.fleet.clients import Plain, Sidecar
from benchmarks.fleet.record import Record
from benchmarks.fleet.server import Answer
from broker.devserver import Fault
from day.virtual_day import EPOCH, HOUR, MINUTE, Day, a_day

pytestmark = pytest.mark.looptime

GRANT = Answer("granted", 0.0)
#: From when on the server answers how: what the running one is told, and what the simulated one answers.
STORY: list[tuple[float, Fault | None, Answer]] = [
    (0, None, GRANT),
    (1 * HOUR, Fault(limit_resets_in=60), Answer("limited", 0.0, wait=60)),
    (1 * HOUR + 25 * MINUTE, None, GRANT),
    (2 * HOUR, Fault(reset=True), Answer("failed", 0.0)),
    (2 * HOUR + 50 * MINUTE, None, GRANT),
    (3 * HOUR + 30 * MINUTE, Fault(limit_resets_in=30), Answer("limited", 0.0, wait=30)),
    (5 * HOUR, Fault(status=503), Answer("failed", 0.0)),
    (5 * HOUR + 30 * MINUTE, None, GRANT),
    (6 * HOUR, Fault(retry_after=600), Answer("limited", 0.0, wait=600)),
    (7 * HOUR, None, GRANT),
]
END = 8 * HOUR


@dataclass
class Scripted:
    """Answers by the story, and notes when it was asked."""

    lifetime: float
    asked: list[tuple[float, str]] = field(default_factory=list)

    def ask(self, at: float) -> Answer:
        answer = next(answer for begins, _, answer in reversed(STORY) if begins <= at)
        self.asked.append((at, answer.outcome))
        return answer


def simulated(lifetime: float, seed: int) -> list[tuple[float, str]]:
    server, record = Scripted(lifetime), Record(int(END))
    sidecar = Sidecar(server, record, random.Random(seed).random, 0.0)
    at = 0.0
    while at < END:
        at = sidecar.attempt(at)
    return server.asked


async def always_asking(day: Day) -> None:
    """Want the token from the moment that there is none, as a workload does that asks all the time."""
    while True:
        if token := day.broker.store.get("t0"):
            await asyncio.sleep(token.usable_until - day.broker.now())
        else:
            day.broker.refreshers["t0"].want(math.inf)
            await day.broker.store.next("t0", None)


@pytest.mark.parametrize("lifetime", [pytest.param(300.0, marks=pytest.mark.slow), HOUR])
async def test_it_makes_the_attempts_of_a_running_broker_through_hours_of_trouble(
    tmp_path: Path, lifetime: float
) -> None:
    async with a_day(tmp_path, lifetime=lifetime, seed=11) as day, asyncio.TaskGroup() as group:
        workload = group.create_task(always_asking(day))
        for begins, fault, _ in STORY:
            await asyncio.sleep(max(0.0, begins - asyncio.get_running_loop().time()))
            day.server.faults.set(*filter(None, [fault]))
        await asyncio.sleep(END - asyncio.get_running_loop().time())
        workload.cancel()
        outcomes = {"issued": "granted", "fault": "limited", "reset": "failed"}
        real = [
            (seen.at - EPOCH, "failed" if seen.status == 503 else outcomes[seen.outcome])
            for seen in day.server.journal.requests
        ]
    assert len(real) > 100
    expected = [attempt for attempt in simulated(lifetime, seed=11) if attempt[0] < END]
    assert {outcome for _, outcome in expected} == {"granted", "limited", "failed"}
    assert [outcome for _, outcome in real] == [outcome for _, outcome in expected]
    assert [at for at, _ in real] == pytest.approx([at for at, _ in expected], abs=0.1)


def test_a_pod_waits_from_its_start_and_misses_from_the_end_of_its_token() -> None:
    story = {0.0: Answer("failed", 0.0), 2.0: Answer("granted", 0.5), 4000.0: Answer("granted", 0.5)}

    class Told:
        lifetime = HOUR

        def ask(self, at: float) -> Answer:
            return story[at]

    record = Record(7200)
    plain = Plain(Told(), record, random.random, 0.0)
    assert plain.attempt(0.0) == 5.0
    assert plain.attempt(2.0) == 2.0 + 0.8 * HOUR
    plain.attempt(4000.0)
    plain.ends(7200.0)
    assert record.waits == [(0.0, 2.5)]
    # Usable until 5 s before the hour that began with the request.
    assert record.gaps == [(3597.0, 4000.5)]
    assert record.renewals == [(4000.5, -403.5)]


def test_a_client_without_jitter_is_back_at_the_reset() -> None:
    class Limited:
        lifetime = HOUR

        def ask(self, _at: float) -> Answer:
            return Answer("limited", 0.0, wait=30)

    assert Plain(Limited(), Record(60), random.random, 0.0).attempt(10.0) == 41.0
