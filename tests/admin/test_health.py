"""Probes answer by what is held now, never by whether the authorization server is in a good mood."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.admin.health import Health
from broker.core.diagnosis import REASONS, Diagnosis
from broker.core.errors import NetworkError, RefusalError
from broker.core.settings import TokenSettings
from broker.core.tokens import Token
from broker.providers.diagnose import diagnose
from broker.refresh.store import Store

UNREACHABLE = diagnose(NetworkError("timeout", "idp.example:443", "timed out"))
REFUSED = diagnose(RefusalError(401, "invalid_client", "who are you"))


class Scene:
    """One required token `users`, one that is not required `reports`, and a clock that is set by hand."""

    def __init__(self, *, startup_wait: float = 60.0) -> None:
        self.time = 1000.0
        self.tokens = {"users": TokenSettings(client="c"), "reports": TokenSettings(client="c", required=False)}
        self.store = Store(self.tokens, lambda: self.time)
        self.failures: dict[str, Diagnosis] = {}
        self.loops_run = True
        self.health = Health(
            self.tokens,
            self.store,
            failure=self.failures.get,
            alive=lambda: self.loops_run,
            startup_wait=startup_wait,
            now=lambda: self.time,
        )

    def hold(self, name: str, lifetime: float = 300.0) -> None:
        token = Token(access_token="t", token_type="Bearer", scope="", issued_at=self.time, lifetime=lifetime)
        self.store.put(name, token)


def test_it_is_not_ready_before_the_first_token() -> None:
    verdict = Scene().health.ready()
    assert not verdict.passed
    assert verdict.text(details=False) == "not ready\nusers: starting\nreports: starting (not required)\n"


def test_it_is_ready_with_every_required_token_whatever_the_others_do() -> None:
    scene = Scene()
    scene.hold("users")
    scene.failures["reports"] = REFUSED
    verdict = scene.health.ready()
    assert verdict.passed
    assert verdict.text(details=False) == "ready\nusers: ok\nreports: client_refused (not required)\n"


def test_it_is_not_ready_once_a_required_token_has_expired() -> None:
    scene = Scene()
    scene.hold("users", lifetime=300)
    scene.failures["users"] = UNREACHABLE
    scene.time += 294.9
    assert scene.health.ready().passed
    scene.time += 0.2
    verdict = scene.health.ready()
    assert not verdict.passed
    assert "users: timeout\n" in verdict.text(details=False)


def test_a_token_that_ran_out_while_nobody_looked_is_expired() -> None:
    scene = Scene()
    scene.hold("users")
    scene.time += 86400  # a laptop that slept
    assert "users: expired\n" in scene.health.ready().text(details=False)


def test_a_failing_refresh_is_shown_while_the_token_is_still_good() -> None:
    scene = Scene()
    scene.hold("users")
    scene.failures["users"] = UNREACHABLE
    verdict = scene.health.ready()
    assert verdict.passed
    assert "users: ok (refresh fails: timeout)\n" in verdict.text(details=False)


def test_details_are_cause_fix_and_what_the_server_said() -> None:
    scene = Scene()
    scene.failures["users"] = REFUSED
    lines = scene.health.ready().text(details=True).splitlines()
    assert lines[1:5] == [
        "users: client_refused",
        f"  cause: {REFUSED.cause}",
        f"  fix: {REFUSED.fix}",
        "  said: invalid_client: who are you",
    ]


def test_without_details_there_are_only_names_and_codes() -> None:
    scene = Scene()
    scene.failures["users"] = REFUSED
    text = scene.health.ready().text(details=False)
    assert REFUSED.cause not in text
    assert REFUSED.fix not in text
    assert "who are you" not in text


def test_one_token_is_judged_by_itself() -> None:
    scene = Scene()
    scene.hold("reports")
    reports, users = scene.health.ready_token("reports"), scene.health.ready_token("users")
    assert reports
    assert users
    assert reports.passed
    assert not users.passed
    assert users.text(details=False) == "not ready\nusers: starting\n"


def test_a_name_that_is_not_configured_has_no_verdict() -> None:
    assert Scene().health.ready_token("nobody") is None


def test_it_has_started_once_every_required_token_was_held() -> None:
    scene = Scene(startup_wait=math.inf)
    assert not scene.health.started().passed
    assert scene.health.started().text(details=False) == "starting\nusers: starting\n"
    scene.hold("users")
    assert scene.health.started().passed


def test_it_has_started_when_the_wait_is_over_even_without_tokens() -> None:
    scene = Scene(startup_wait=60)
    scene.time += 59.9
    assert not scene.health.started().passed
    scene.time += 0.1
    verdict = scene.health.started()
    assert verdict.passed
    assert "startup.wait has passed" in verdict.text(details=False)


def test_it_never_starts_by_time_when_told_to_wait_forever() -> None:
    scene = Scene(startup_wait=math.inf)
    scene.time += 10 * 365 * 86400
    assert not scene.health.started().passed


@given(st.lists(st.tuples(st.floats(0, 1000), st.sampled_from(["users", "reports", None])), max_size=20))
def test_what_has_started_stays_started(steps: list[tuple[float, str | None]]) -> None:
    scene, started = Scene(startup_wait=500), False
    for seconds, name in steps:
        scene.time += seconds
        if name:
            scene.hold(name)
        assert scene.health.started().passed or not started
        started = scene.health.started().passed


def test_it_lives_without_a_token_and_without_a_server() -> None:
    scene = Scene()
    scene.failures["users"] = UNREACHABLE
    assert scene.health.live().passed


def test_it_does_not_live_when_a_loop_has_ended() -> None:
    scene = Scene()
    scene.hold("users")
    scene.loops_run = False
    assert not scene.health.live().passed


@pytest.mark.parametrize("held", [True, False])
@pytest.mark.parametrize("failed", [True, False])
def test_every_code_is_of_the_closed_set(*, held: bool, failed: bool) -> None:
    scene = Scene()
    if held:
        scene.hold("users")
    if failed:
        scene.failures["users"] = UNREACHABLE
    codes = {state.code for state in scene.health.ready().tokens}
    assert codes <= {"ok", "expired", *REASONS}
