"""The loop, in virtual time. The fetch is a plain function: what it gives or raises is the test's story."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from broker.core.errors import KeyFileError, NetworkError, RefusalError, ReplyError
from broker.core.events import Event, Refreshed, RefreshFailed, ScopeReduced, TokenExpired, Warned
from broker.core.settings import TokenSettings
from broker.core.tokens import Token
from broker.refresh.refresher import Refresher
from broker.refresh.store import Store

pytestmark = pytest.mark.looptime
EPOCH = 1_795_000_000.0
DOWN = NetworkError("connect", "idp:443", "refused")
WRONG_KEY = RefusalError(401, "invalid_client", "The client_assertion signature is invalid.")
E = TypeVar("E", bound=Event)


class Stage:
    """A refresher, and a server that grants tokens of `lifetime` seconds or raises `trouble`."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.now: Callable[[], float] = lambda: EPOCH + loop.time()
        self.lifetime = 3600.0
        self.scope = "a b"
        self.remarks: tuple[str, ...] = ()
        self.trouble: Exception | None = None
        self.takes = 0.0
        self.asked: list[float] = []
        self.events: list[Event] = []
        self.store = Store(["t"], self.now)
        self.refresher = Refresher(
            "t",
            TokenSettings(client="c", scopes=("a", "b")),
            fetch=self.fetch,
            store=self.store,
            now=self.now,
            draw=lambda: 0.5,
            observe=self.events.append,
        )

    async def fetch(self, _settings: TokenSettings) -> Token:
        began = self.now()
        self.asked.append(began - EPOCH)
        await asyncio.sleep(self.takes)
        if self.trouble:
            raise self.trouble
        return Token(
            access_token=f"token-{len(self.asked)}",
            token_type="Bearer",
            scope=self.scope,
            issued_at=began,
            lifetime=self.lifetime,
            remarks=self.remarks,
        )

    def seen(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


@asynccontextmanager
async def a_stage(trouble: Exception | None = None) -> AsyncIterator[Stage]:
    stage = Stage()
    stage.trouble = trouble
    task = asyncio.create_task(stage.refresher.run())
    try:
        yield stage
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_first_token_is_fetched_at_once_and_told() -> None:
    async with a_stage() as stage:
        await asyncio.sleep(1)
        assert stage.store.get("t")
        (event,) = stage.seen(Refreshed)
        assert (event.token, event.client, event.lifetime, event.lead) == ("t", "c", 3600, 1200)
        assert event.expires_at == EPOCH + 3600
        assert event.next_refresh_at == stage.refresher.next_at == EPOCH + 2220


async def test_a_token_is_replaced_at_the_point_drawn_when_it_came() -> None:
    async with a_stage() as stage:
        await asyncio.sleep(2221)
        assert stage.asked == pytest.approx([0, 2220])


async def test_a_slow_answer_makes_the_token_older_not_younger() -> None:
    async with a_stage() as stage:
        stage.takes = 9
        await asyncio.sleep(10)
        (event,) = stage.seen(Refreshed)
        assert event.expires_at == EPOCH + 3600
        assert event.duration == pytest.approx(9)


async def test_a_failed_refresh_does_not_cost_the_token() -> None:
    async with a_stage() as stage:
        await asyncio.sleep(1)
        held = stage.store.get("t")
        stage.trouble = DOWN
        await asyncio.sleep(3500)
        assert stage.store.get("t") is held
        assert stage.seen(RefreshFailed)[0].expires_at == EPOCH + 3600


async def test_a_token_that_runs_out_is_told_once_at_that_moment() -> None:
    async with a_stage() as stage:
        await asyncio.sleep(1)
        stage.trouble = DOWN
        await asyncio.sleep(5000)
        (event,) = stage.seen(TokenExpired)
        at = stage.events.index(event)
        assert stage.store.get("t") is None
        assert event.reason == "connect_failed"
        failed_later = [e for e in stage.events[at:] if isinstance(e, RefreshFailed)]
        assert failed_later
        assert all(e.expires_at is None for e in failed_later)


async def test_recovery_after_an_outage_comes_by_itself() -> None:
    async with a_stage(DOWN) as stage:
        await asyncio.sleep(600)
        assert stage.store.get("t") is None
        stage.trouble = None
        await asyncio.sleep(61)
        assert stage.store.get("t")
        assert stage.refresher.failure is None


async def test_without_a_token_a_server_that_is_down_is_asked_at_least_once_a_minute() -> None:
    async with a_stage(DOWN) as stage:
        await asyncio.sleep(3600)
        pauses = [b - a for a, b in zip(stage.asked, stage.asked[1:], strict=False)]
        assert max(pauses) <= 60
        assert min(pauses) >= 1
        assert len(stage.asked) < 200


async def test_a_refusal_is_retried_by_a_quarter_of_the_time_left() -> None:
    async with a_stage() as stage:
        await asyncio.sleep(1)
        stage.trouble = WRONG_KEY
        await asyncio.sleep(2300)
        failed = stage.seen(RefreshFailed)[0]
        assert failed.retry_at == pytest.approx(EPOCH + 2220 + 300)


@pytest.mark.parametrize(
    "trouble",
    [
        *(RefusalError(status, "", "<title>") for status in (302, 400, 401, 403, 404)),
        *(ReplyError(fault, "") for fault in ("redirect", "not_json", "access_token")),
    ],
)
async def test_an_answer_that_is_not_oauths_is_retried_like_a_fault(trouble: Exception) -> None:
    async with a_stage(trouble) as stage:
        await asyncio.sleep(600)
        pauses = [b - a for a, b in zip(stage.asked, stage.asked[1:], strict=False)]
        assert pauses[:3] == pytest.approx([1.5, 2.5, 4.5])
        assert max(pauses) <= 60


async def test_a_new_key_is_tried_at_once_after_a_bare_refusal() -> None:
    async with a_stage(RefusalError(401, "", "")) as stage:
        await asyncio.sleep(300)
        stage.trouble = None
        stage.refresher.key_changed()
        await asyncio.sleep(0.1)
        assert stage.store.get("t")


async def test_a_long_retry_after_of_a_503_is_honoured_with_a_token() -> None:
    async with a_stage() as stage:
        await asyncio.sleep(1)
        stage.trouble = RefusalError(503, "", "", retry_after=400.0)
        await asyncio.sleep(3000)
        assert stage.asked[:3] == pytest.approx([0, 2220, 2620])


async def test_a_rate_limit_is_waited_out() -> None:
    async with a_stage(RefusalError(429, "", "", retry_after=600.0)) as stage:
        await asyncio.sleep(600)
        assert len(stage.asked) == 1
        await asyncio.sleep(100)
        assert stage.asked[1] == pytest.approx(631)


async def test_a_new_key_is_tried_at_once_after_a_key_failure() -> None:
    async with a_stage(WRONG_KEY) as stage:
        await asyncio.sleep(1)
        stage.trouble = None
        stage.refresher.key_changed()
        await asyncio.sleep(0.1)
        assert stage.store.get("t")


async def test_a_missing_key_file_that_appears_is_tried_at_once() -> None:
    async with a_stage(KeyFileError("/keys/a.jwk cannot be read")) as stage:
        await asyncio.sleep(1)
        stage.trouble = None
        stage.refresher.key_changed()
        await asyncio.sleep(0.1)
        assert stage.store.get("t")


async def test_a_new_key_does_not_hurry_a_server_that_is_down() -> None:
    async with a_stage(DOWN) as stage:
        await asyncio.sleep(0.5)
        stage.refresher.key_changed()
        await asyncio.sleep(0.1)
        assert len(stage.asked) == 1


async def test_a_new_key_while_all_is_well_causes_no_request() -> None:
    async with a_stage() as stage:
        await asyncio.sleep(1)
        stage.refresher.key_changed()
        await asyncio.sleep(100)
        assert len(stage.asked) == 1


async def test_a_key_that_changes_during_a_failing_attempt_is_tried_right_after_it() -> None:
    async with a_stage(WRONG_KEY) as stage:
        stage.takes = 2
        await asyncio.sleep(1)
        stage.refresher.key_changed()
        await asyncio.sleep(1.1)
        assert len(stage.asked) == 2


async def test_a_reload_ends_the_pause_after_any_failure() -> None:
    async with a_stage(DOWN) as stage:
        await asyncio.sleep(300)
        stage.trouble = None
        stage.refresher.retry_now()
        await asyncio.sleep(0.1)
        assert stage.store.get("t")


async def test_less_scope_than_asked_is_told_once() -> None:
    async with a_stage() as stage:
        stage.scope = "a"
        await asyncio.sleep(10_000)
        assert len(stage.seen(Refreshed)) > 3
        (event,) = stage.seen(ScopeReduced)
        assert event.missing == ("b",)


async def test_a_remark_on_an_answer_is_warned_about_once() -> None:
    async with a_stage() as stage:
        stage.remarks = ("the scope is odd",)
        await asyncio.sleep(10_000)
        stage.remarks = ()
        await asyncio.sleep(10_000)
        stage.remarks = ("the scope is odd",)
        await asyncio.sleep(10_000)
        assert [event.detail for event in stage.seen(Warned)] == ["tokens.t: the scope is odd"] * 2


async def test_scope_lost_again_after_it_came_back_is_told_again() -> None:
    async with a_stage() as stage:
        for scope in ("a", "a b", "a"):
            stage.scope = scope
            await asyncio.sleep(2300)
        assert len(stage.seen(ScopeReduced)) == 2


@pytest.mark.parametrize("lifetime", [1.0, 2.0, 5.0, 60.0])
async def test_short_lives_are_refreshed_without_a_gap_and_without_a_busy_loop(lifetime: float) -> None:
    async with a_stage() as stage:
        stage.lifetime = lifetime
        await asyncio.sleep(0.01)
        for _ in range(400):
            assert stage.store.get("t")
            await asyncio.sleep(lifetime / 40)
        assert len(stage.asked) <= 10 * 4 + 1


@pytest.mark.parametrize(("lifetime", "takes"), [(1.0, 0.6), (10.0, 8.0), (60.0, 50.0)])
async def test_slow_answers_for_short_lives_do_not_make_a_busy_loop(lifetime: float, takes: float) -> None:
    async with a_stage() as stage:
        stage.lifetime, stage.takes = lifetime, takes
        await asyncio.sleep(lifetime * 50)
        pauses = [b - a - takes for a, b in zip(stage.asked, stage.asked[1:], strict=False)]
        assert min(pauses) >= 0.2


async def test_other_failures_before_do_not_make_the_first_fault_wait_longer() -> None:
    async with a_stage(WRONG_KEY) as stage:
        await asyncio.sleep(300)
        stage.trouble = DOWN
        stage.refresher.retry_now()
        await asyncio.sleep(0.1)
        failed = stage.seen(RefreshFailed)[-1]
        assert failed.diagnosis.reason == "connect_failed"
        assert failed.retry_at - stage.now() <= 2


async def test_a_servers_retry_after_at_503_costs_no_token() -> None:
    async with a_stage() as stage:
        stage.lifetime = 60
        await asyncio.sleep(1)
        stage.trouble = RefusalError(503, "", "", retry_after=60.0)
        await asyncio.sleep(45)
        stage.trouble = None
        await asyncio.sleep(9)
        assert stage.store.get("t")
        assert stage.seen(TokenExpired) == []


async def test_the_fix_names_this_client_and_this_token() -> None:
    async with a_stage(RefusalError(400, "invalid_scope", "No scopes were requested.")) as stage:
        await asyncio.sleep(1)
        fix = stage.seen(RefreshFailed)[0].diagnosis.fix
        assert "tokens.t.scopes" in fix
        assert "<name>" not in fix


async def test_a_defect_fails_the_attempt_and_is_retried() -> None:
    async with a_stage() as stage:
        await asyncio.sleep(1)
        held = stage.store.get("t")
        stage.trouble = ZeroDivisionError("secret")
        await asyncio.sleep(2300)
        failed = stage.seen(RefreshFailed)
        assert len(failed) > 1
        assert failed[0].diagnosis.reason == "defect"
        assert "ZeroDivisionError in test_refresher.py:" in failed[0].diagnosis.cause
        assert "secret" not in repr(failed)
        assert failed[0].retry_at - EPOCH - stage.asked[1] <= 2
        assert stage.store.get("t") is held
        stage.trouble = None
        stage.refresher.key_changed()
        await asyncio.sleep(1)
        assert stage.refresher.failure is None


async def test_a_defect_in_the_diagnosis_fails_the_attempt_too() -> None:
    async with a_stage(RefusalError(400, "invalid_scope", None)) as stage:  # type: ignore[arg-type]  # the defect
        await asyncio.sleep(1)
        assert stage.seen(RefreshFailed)[0].diagnosis.reason == "defect"


async def test_an_attempt_out_of_turn_is_made_at_once_and_its_end_is_told_to_all_who_asked() -> None:
    async with a_stage() as stage:
        stage.takes = 2
        await asyncio.sleep(10)
        first = stage.refresher.renew()
        assert stage.refresher.under_way, "from now on, although the loop has yet to wake"
        assert stage.refresher.renew() is first
        await asyncio.sleep(1)
        assert stage.refresher.renew() is first, "one that is under way is that attempt"
        assert not first.done()
        await asyncio.sleep(1.1)
        assert first.done()
        assert stage.refresher.next_at > stage.now()
        assert stage.asked == pytest.approx([0, 10])
        assert (token := stage.store.get("t"))
        assert token.access_token == "token-2"


async def test_who_asks_during_an_ordinary_attempt_causes_no_other() -> None:
    async with a_stage() as stage:
        stage.takes = 2
        await asyncio.sleep(1)
        ended = stage.refresher.renew()
        await asyncio.sleep(100)
        assert ended.done()
        assert stage.asked == pytest.approx([0])


async def test_an_attempt_out_of_turn_moves_the_next_ordinary_one() -> None:
    async with a_stage() as stage:
        await asyncio.sleep(1000)
        stage.refresher.renew()
        await asyncio.sleep(2300)
        assert stage.asked == pytest.approx([0, 1000, 3220])


async def test_an_attempt_out_of_turn_that_fails_ends_too_and_costs_no_token() -> None:
    async with a_stage() as stage:
        await asyncio.sleep(10)
        held = stage.store.get("t")
        stage.trouble = DOWN
        ended = stage.refresher.renew()
        await asyncio.sleep(0.1)
        assert ended.done()
        assert stage.store.get("t") is held
        stage.trouble = None
        await asyncio.sleep(900)
        assert stage.store.get("t") is not held, "it is retried as any failure is"


async def test_who_asks_as_an_attempt_fails_does_not_shorten_the_pause_after_it() -> None:
    async with a_stage(DOWN) as stage:
        stage.takes = 2
        await asyncio.sleep(1)
        stage.refresher.renew()
        await asyncio.sleep(1.5)
        assert len(stage.asked) == 1


async def test_an_attempt_that_a_defect_ends_has_ended_for_all_who_wait() -> None:
    async with a_stage() as stage:
        await asyncio.sleep(10)
        stage.trouble = ZeroDivisionError()
        ended = stage.refresher.renew()
        await asyncio.sleep(0.1)
        assert ended.done()
