"""Longer stories than a coffee break allows."""

import asyncio
import random
from pathlib import Path

import pytest

from broker.core.events import Refreshed, RefreshFailed
from broker.devserver import Fault
from day.virtual_day import DAY, HOUR, MINUTE, a_day, write_key

pytestmark = [pytest.mark.looptime, pytest.mark.slow]


async def test_a_week_of_hourly_tokens_with_a_rotation_a_day_is_all_good_answers(tmp_path: Path) -> None:
    async with a_day(tmp_path) as day:
        for number in range(7):
            old = day.broker.clients["c"].keys.public_jwks()["keys"]
            new = write_key(day.key_file, f"day-{number}")
            day.server.register("client", {"keys": [*old, new]}, {"read"})
            await day.poll(DAY, every=10 * MINUTE)
        assert set(day.statuses) == {200}
        assert day.seen(RefreshFailed) == []
        assert 7 * 24 <= len(day.seen(Refreshed)) <= 7 * 24 * 2
        assert day.server.journal.repeated == 0


@pytest.mark.parametrize("seed", range(8))
async def test_no_order_of_troubles_gets_an_expired_token_out_or_a_jti_in_twice(tmp_path: Path, seed: int) -> None:
    """A day of random troubles of random lengths; the answers and the number of requests stay within the contract."""
    draw = random.Random(seed)
    lifetime = draw.choice([10.0, 60.0, 300.0, HOUR])
    troubles = [
        Fault(status=500),
        Fault(status=503, headers={"Retry-After": "7"}),
        Fault(retry_after=20),
        Fault(limit_resets_in=60),
        Fault(hang=True),
        Fault(reset=True),
        Fault(lose_answer=True),
        Fault(delay=4),
        Fault(body="<html><title>Sign in to the airport</title></html>"),
        Fault(answer={"token_type": "DPoP"}),
        Fault(answer={"expires_in": "soon"}),
        Fault(size=2_000_000),
    ]
    async with a_day(tmp_path, lifetime=lifetime, tokens=5, seed=seed) as day:
        names = tuple(f"t{i}" for i in range(5))
        loop = asyncio.get_running_loop()
        while loop.time() < 6 * HOUR:
            day.server.faults.clear()
            day.step = draw.choice([0.0, 0.0, 120.0, -120.0, 4000.0])
            if draw.random() < 0.6:
                day.server.faults.set(*draw.sample(troubles, k=draw.choice([1, 1, 2])))
            await day.poll(draw.uniform(10, 40 * MINUTE), every=30, names=names)
        day.server.faults.clear()
        day.step = 0.0
        await asyncio.sleep(HOUR + 2 * MINUTE)
        last = [await day.ask(name) for name in names]
        assert set(day.statuses) <= {200, 503}
        assert all(answer.left > 0 and answer.expires_in >= 1 for answer in day.answers if answer.status == 200)
        assert [answer.status for answer in last] == [200] * 5
        assert day.server.journal.repeated == 0
        assert day.server.journal.crashes == []
        quiet = 5 * 7 * HOUR / (lifetime * 0.4)
        assert day.server.journal.total < quiet + 5 * 7 * HOUR / 4
