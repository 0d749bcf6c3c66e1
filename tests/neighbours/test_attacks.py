"""A real daemon under each attack of benchmarks/neighbours: it answers, and stays small."""

import importlib.util
import sys

import pytest

from benchmarks.neighbours.attacks import ATTACKS, Attack
from benchmarks.neighbours.run import Outcome, attacked, staged

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="platform: memory is read from /proc")
#: Seconds within which probes, scrapes and hand-outs are answered, and MiB of memory, under any attack.
WORST, MOST = 2.0, 100.0
SECONDS = 2.0
#: Latency depends on what else the machine does, memory does not.
ATTEMPTS = 3
LOOPS = ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]
#: A broker with 990 tokens needs more memory, and a scrape of it more time, without any attack.
USUAL = [attack for attack in ATTACKS if not attack.tokens]


def is_quick(outcome: Outcome) -> bool:
    return not outcome.failures and len(outcome.worst) == 3 and max(outcome.worst.values()) < WORST


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("attack", USUAL, ids=lambda attack: attack.name)
def test_an_attack_neither_starves_nor_swells_the_broker(attack: Attack, loop: str) -> None:
    outcomes: list[Outcome] = []
    while not any(map(is_quick, outcomes)):
        assert len(outcomes) < ATTEMPTS, outcomes
        with staged(uvloop=loop == "uvloop") as stage:
            outcomes.append(attacked(stage, [attack], SECONDS))
        assert outcomes[-1].peak < MOST


@pytest.mark.parametrize("loop", LOOPS)
def test_all_attacks_in_turn_leave_a_small_broker(loop: str) -> None:
    with staged(uvloop=loop == "uvloop") as stage:
        peaks = [attacked(stage, [attack], 1.0).peak for attack in USUAL[::2]]
    assert max(peaks) < MOST


def test_slow_readers_of_long_metrics_do_not_keep_the_broker_from_answering() -> None:
    (attack,) = (attack for attack in ATTACKS if attack.tokens)
    with staged(uvloop=False, tokens=attack.tokens) as stage:
        outcome = attacked(stage, [attack], SECONDS)
    assert outcome.worst["probe"] < WORST
    assert outcome.worst["hand-out"] < WORST
