"""One heap of who asks next, and when."""

import heapq
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.fleet.clients import Make, Sidecar
from benchmarks.fleet.record import Record
from benchmarks.fleet.server import Server

#: Any number does; another one gives another day that looks the same.
SEED = 20261123


@dataclass(frozen=True, slots=True)
class Life:
    """When a pod starts, and when it is gone."""

    begins: float
    ends: float = math.inf


def draws(seed: int = SEED) -> random.Random:
    """Numbers that are the same in every run."""
    return random.Random(seed)  # noqa: S311 - a simulation is repeatable


def simulate(server: Server, lives: Sequence[Life], *, seconds: int, make: Make = Sidecar, seed: int = SEED) -> Record:
    """What happens in `seconds` when each pod's client asks as soon as the pod starts, and then when it wants to."""
    record, draw = Record(seconds), draws(seed).random
    clients = [make(server, record, draw, life.begins) for life in lives]
    due = [(life.begins, number) for number, life in enumerate(lives)]
    heapq.heapify(due)
    while due and due[0][0] < seconds:
        at, number = due[0]
        if at < lives[number].ends:
            heapq.heapreplace(due, (clients[number].attempt(at), number))
        else:
            heapq.heappop(due)
    for client, life in zip(clients, lives, strict=True):
        client.ends(min(life.ends, seconds))
    return record
