"""Days of tokens that are bound to a key, while keys and nonces change."""

from itertools import pairwise
from pathlib import Path

import pytest

from day.virtual_day import DAY, HOUR, MINUTE, Day, a_day
from key_forms import segments

pytestmark = pytest.mark.looptime


async def call(day: Day) -> int:
    """A workload's call of an API that verifies proofs."""
    url = f"{day.server.issuer}/api/v1/users"
    broker = f"http://{day.broker.api.addresses[0]}/v1/tokens/t0/proof"
    async with day.http.post(broker, json={"method": "GET", "url": url}, headers={"Metadata": "true"}) as reply:
        said = await reply.json()
    headers = {"Authorization": f"DPoP {said['access_token']}", "DPoP": said["proof"]}
    async with day.http.get(url, headers=headers) as answer:
        return answer.status


@pytest.mark.slow
async def test_half_a_day_with_a_nonce_that_changes_every_three_hours_misses_no_call(tmp_path: Path) -> None:
    async with a_day(tmp_path, dpop=True) as day:
        for hour in range(12):
            if hour % 3 == 2:
                day.server.proofs.renew_nonce()
            await day.poll(HOUR, every=20 * MINUTE)
            assert await call(day) == 200
        assert set(day.statuses) == {200}


@pytest.mark.slow
async def test_the_proof_key_changes_once_a_day_with_a_token(tmp_path: Path) -> None:
    async with a_day(tmp_path, dpop=True) as day:
        bound = [
            segments(answer.token)[1]["cnf"]["jkt"] for answer in await day.poll(2 * DAY + HOUR, every=20 * MINUTE)
        ]
        assert 2 <= len(set(bound)) <= 3
        assert sum(one != other for one, other in pairwise(bound)) == len(set(bound)) - 1
