"""Retry under demand, in virtual time: the tokens of one client, and a server that fails."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise

import looptime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker.core.errors import BrokerError, NetworkError, RefusalError
from broker.core.settings import TokenSettings
from broker.core.tokens import Token
from broker.refresh.probing import Probing
from broker.refresh.refresher import Refresher
from broker.refresh.store import Store

pytestmark = pytest.mark.looptime
EPOCH = 1_795_000_000.0
DOWN = NetworkError("connect", "idp:443", "refused")
BUSY = RefusalError(503, "", "", retry_after=40.0)
LIMITED = RefusalError(429, "", "", retry_after=30.0)
REFUSED = RefusalError(401, "invalid_client", "The client_assertion signature is invalid.")


@dataclass(frozen=True)
class Attempt:
    """`absent`: there was no token; `early`: it came before the refresher's ordinary back-off."""

    at: float
    name: str
    trouble: BrokerError | None
    absent: bool
    early: bool


class Stage:
    """`trouble` fails every token, `troubles` those named."""

    def __init__(self, names: tuple[str, ...], seed: int) -> None:
        loop = asyncio.get_running_loop()
        self.now: Callable[[], float] = lambda: EPOCH + loop.time()
        self.lifetime = 3600.0
        self.takes = 0.0
        self.trouble: BrokerError | None = None
        self.troubles: dict[str, BrokerError | None] = {}
        self.log: list[Attempt] = []
        self.store = Store(names, self.now)
        self.probing = Probing(self.now)
        self.refreshers = {name: self._refresher(name, random.Random(f"{seed}{name}").random) for name in names}

    def _refresher(self, name: str, draw: Callable[[], float]) -> Refresher:
        async def fetch(_settings: TokenSettings) -> Token:
            began = self.now()
            trouble = self.troubles.get(name, self.trouble)
            early = self.refreshers[name].next_at > began
            self.log.append(Attempt(began - EPOCH, name, trouble, absent=not self.held(name), early=early))
            await asyncio.sleep(self.takes)
            if trouble:
                raise trouble
            return Token(access_token=name, token_type="Bearer", scope="", issued_at=began, lifetime=self.lifetime)

        return Refresher(
            name,
            TokenSettings(client="c"),
            fetch=fetch,
            store=self.store,
            now=self.now,
            draw=draw,
            observe=lambda _: None,
            probing=self.probing,
        )

    def held(self, name: str) -> bool:
        return self.store.get(name) is not None

    async def poll(self, seconds: float, *names: str, every: float = 1.0) -> None:
        """Workloads ask for absent tokens."""
        until = self.now() + seconds
        while self.now() < until:
            for name in names:
                if not self.held(name):
                    self.refreshers[name].want()
            await asyncio.sleep(every)

    def times(self, since: float = 0.0) -> list[float]:
        """When the server was asked, for any token."""
        return [attempt.at for attempt in self.log if attempt.at >= since]

    def of(self, name: str) -> list[float]:
        return [attempt.at for attempt in self.log if attempt.name == name]

    def pauses(self, since: float = 0.0) -> list[float]:
        return [after - before for before, after in pairwise(self.times(since))]


@asynccontextmanager
async def a_stage(
    *names: str, trouble: BrokerError | None = None, seed: int = 1, takes: float = 0.0
) -> AsyncIterator[Stage]:
    stage = Stage(names or ("t",), seed)
    stage.trouble, stage.takes = trouble, takes
    loops = [asyncio.create_task(refresher.run()) for refresher in stage.refreshers.values()]
    try:
        yield stage
    finally:
        for loop in loops:
            loop.cancel()
        await asyncio.gather(*loops, return_exceptions=True)


async def test_under_demand_a_probe_comes_every_two_to_five_seconds() -> None:
    async with a_stage(trouble=DOWN) as stage:
        await stage.poll(590, "t")
        assert 1 <= min(stage.pauses()) < 2 < max(stage.pauses()) <= 5
        # The first retries come after 1 to 2 s, as without demand.
        assert 590 / 3.6 - 15 < len(stage.times()) < 590 / 3.4 + 15


async def test_after_ten_minutes_without_a_token_probes_are_rarer() -> None:
    async with a_stage(trouble=DOWN) as stage:
        await stage.poll(3600, "t")
        assert 10 < max(stage.pauses(since=620)) <= 15
        assert 3000 / 8.5 * 0.85 < len(stage.times(since=600)) < 3000 / 8.5 * 1.25


async def test_without_demand_pauses_grow_to_a_minute() -> None:
    async with a_stage(trouble=DOWN) as stage:
        await asyncio.sleep(3600)
        assert 50 < max(stage.pauses()) <= 60


async def test_demand_ends_ten_seconds_after_the_last_request() -> None:
    async with a_stage(trouble=DOWN) as stage:
        await stage.poll(300, "t")
        await asyncio.sleep(11)
        assert max(stage.pauses()) <= 5
        await asyncio.sleep(600)
        assert len(stage.times(since=311)) < 40


async def test_the_first_request_after_quiet_causes_an_attempt_at_once() -> None:
    async with a_stage(trouble=DOWN) as stage:
        await asyncio.sleep(200)
        while stage.refreshers["t"].next_at - stage.now() < 10:
            await asyncio.sleep(1)
        await asyncio.sleep(5)
        stage.trouble = None
        stage.refreshers["t"].want()
        await asyncio.sleep(0.01)
        assert stage.held("t")


async def test_a_long_wait_is_demand_until_its_end() -> None:
    async with a_stage(trouble=DOWN) as stage:
        await asyncio.sleep(300)
        stage.refreshers["t"].want(30.0)
        await asyncio.sleep(29)
        assert len(stage.times(since=300)) >= 5


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("takes", [0, 3], ids=["refused", "lost"])
async def test_under_demand_a_token_is_back_within_five_seconds(takes: float, seed: int) -> None:
    """One connect timeout later where packets vanish."""
    async with a_stage(trouble=DOWN, seed=seed, takes=takes) as stage:
        await stage.poll(500, "t")
        stage.trouble, stage.takes = None, 0.0
        began = stage.now()
        while not stage.held("t"):
            await stage.poll(0.1, "t", every=0.1)
        assert stage.now() - began <= 5.1 + takes


async def test_a_token_that_expires_while_resting_is_fetched_on_demand() -> None:
    async with a_stage() as stage:
        await asyncio.sleep(1)
        stage.trouble = DOWN
        await asyncio.sleep(3540)
        assert stage.held("t")
        stage.trouble = None
        stage.refreshers["t"].next_at = stage.now() + 300
        stage.refreshers["t"].reconsider()
        await asyncio.sleep(56)
        assert not stage.held("t")
        stage.refreshers["t"].want()
        await asyncio.sleep(0.01)
        assert stage.held("t")


@pytest.mark.parametrize("seed", range(3))
async def test_many_wanted_tokens_share_one_probe(seed: int) -> None:
    names = tuple(f"t{i}" for i in range(10))
    async with a_stage(*names, trouble=DOWN, seed=seed) as stage:
        await stage.poll(300, *names)
        # Each token's own back-off asks every half minute on average; one probe every 3.5 s comes on top.
        assert len(stage.times(since=100)) <= 200 / 3.5 + 10 * 200 / 30 + 20


async def test_a_probe_that_is_not_answered_is_the_only_one() -> None:
    async with a_stage("a", "b", trouble=DOWN) as stage:
        await stage.poll(100, "a", "b")
        stage.takes = 60.0
        stage.probing._at = stage.now()
        for refresher in stage.refreshers.values():
            refresher.next_at = stage.now() + 1000
        began = stage.now() - EPOCH
        await stage.poll(55, "a", "b")
        assert len(stage.times(since=began)) == 1


async def test_a_success_wakes_the_other_absent_tokens() -> None:
    names = tuple(f"t{i}" for i in range(5))
    async with a_stage(*names, trouble=DOWN) as stage:
        await stage.poll(300, "t3")
        stage.trouble = None
        await stage.poll(7.5, "t3")
        assert all(stage.held(name) for name in names)


async def test_a_held_token_is_not_woken_by_a_recovery() -> None:
    async with a_stage("held", "gone") as stage:
        await asyncio.sleep(1)
        stage.trouble = DOWN
        stage.store._tokens.pop("gone")
        stage.refreshers["held"].retry_now()
        for name in ("held", "gone"):
            stage.refreshers[name].renew()
        await stage.poll(100, "gone")
        asked = len(stage.of("held"))
        stage.refreshers["held"].next_at = stage.now() + 300
        stage.trouble = None
        await stage.poll(6, "gone")
        assert stage.held("gone")
        assert len(stage.of("held")) == asked


async def test_an_attempt_in_flight_at_the_recovery_is_repeated_soon() -> None:
    async with a_stage("a", "b", trouble=DOWN) as stage:
        await asyncio.sleep(200)
        stage.takes, stage.trouble = 8.0, None
        stage.troubles["b"] = DOWN
        stage.refreshers["b"].renew()
        await asyncio.sleep(1)
        stage.takes, stage.troubles = 0.0, {}
        stage.refreshers["a"].renew()
        await asyncio.sleep(7.1)
        assert stage.held("a")
        assert not stage.held("b")
        await asyncio.sleep(2)
        assert stage.held("b")


async def test_one_refused_token_does_not_stop_probes_for_another() -> None:
    async with a_stage("refused", "t", trouble=DOWN) as stage:
        stage.troubles["refused"] = REFUSED
        await stage.poll(300, "refused", "t")
        stage.trouble = None
        await stage.poll(5.5, "refused", "t")
        assert stage.held("t")


@pytest.mark.parametrize(("trouble", "soonest"), [(LIMITED, 31), (REFUSED, 15)])
async def test_demand_shortens_neither_a_rate_limit_nor_a_refusal(trouble: BrokerError, soonest: float) -> None:
    async with a_stage(trouble=trouble) as stage:
        await stage.poll(600, "t")
        assert min(stage.pauses()) >= soonest


async def test_a_rate_limit_stops_the_probes_of_the_whole_client() -> None:
    async with a_stage("limited", "t", trouble=DOWN) as stage:
        await stage.poll(100, "t")
        stage.troubles["limited"] = LIMITED
        stage.refreshers["limited"].renew()
        stage.refreshers["t"].next_at = stage.now() + 60
        await stage.poll(59, "t")
        assert stage.of("t")[-1] <= 100


async def test_demand_waits_for_a_pending_retry_after() -> None:
    async with a_stage("busy", "t", trouble=DOWN) as stage:
        await stage.poll(100, "t")
        stage.troubles["busy"] = BUSY
        stage.refreshers["busy"].renew()
        stage.refreshers["t"].next_at = stage.now() + 60
        await stage.poll(39, "t")
        assert stage.of("t")[-1] <= 100
        await stage.poll(6, "t")
        assert stage.of("t")[-1] >= 140


Move = st.tuples(
    st.sampled_from(["a", "b"]),
    st.sampled_from([None, DOWN, BUSY, LIMITED, REFUSED]),
    st.booleans(),
    st.floats(0.01, 40.0),
)
#: How soon an attempt may follow one that failed so, without a token.
SOONEST = {DOWN: 1.0, BUSY: 40.0, LIMITED: 31.0, REFUSED: 15.0}


@settings(max_examples=60, deadline=None)
@given(st.lists(Move, min_size=1, max_size=12), st.integers(0, 1000))
def test_demand_never_makes_a_busy_loop(moves: list[tuple[str, BrokerError | None, bool, float]], seed: int) -> None:
    """Each attempt keeps its distance from the one before, whatever failed and whoever asks."""

    async def story() -> Stage:
        async with a_stage("a", "b", seed=seed) as stage:
            stage.lifetime = 30.0
            for name, trouble, asks, seconds in moves:
                stage.troubles[name] = trouble
                await stage.poll(seconds, *(stage.refreshers if asks else ()))
        return stage

    with asyncio.Runner(loop_factory=lambda: looptime.new_event_loop(start=0)) as runner:
        stage = runner.run(story())
    for name in stage.refreshers:
        for before, after in pairwise(attempt for attempt in stage.log if attempt.name == name):
            if before.trouble and before.absent:
                assert after.at - before.at >= SOONEST[before.trouble] - 1e-6
            assert after.at - before.at >= 0.99
    probes = [attempt.at for attempt in stage.log if attempt.early]
    assert all(after - before >= 2 for before, after in pairwise(probes))
    for told in stage.log:
        if told.trouble in (BUSY, LIMITED):
            pending = told.trouble.retry_after or 0.0
            assert not [at for at in probes if told.at < at < told.at + pending]
