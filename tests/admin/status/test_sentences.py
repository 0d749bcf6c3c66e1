"""The headline and the remarks, for brokers in all sorts of states."""

from pathlib import Path

import pytest

from broker.admin.status import sentences
from broker.admin.status.snapshot import TokenStanding
from broker.core.errors import KeyFileError, NetworkError, RefusalError
from broker.core.events import (
    ClockMeasured,
    ConfigChanged,
    Crashed,
    KeyRefused,
    SinkCleared,
    SinkFailed,
    SinkWritten,
    Warned,
)
from broker.core.settings import KeySettings, SinkSettings, TokenSettings
from status_scenes import Scene, a_client, one_token, write_key

DOWN = NetworkError("connect", "idp.example:443", "Connection refused")
WRONG_KEY = RefusalError(401, "invalid_client", "The client_assertion signature is invalid.")


def tokens(count: int, **optional: bool) -> Scene:
    """`t0`, `t1`…; named ones are required or not."""
    names = [f"t{i}" for i in range(count)]
    return Scene(
        {"okta": a_client()},
        {name: TokenSettings(client="okta", required=optional.get(name, True)) for name in names},
    )


def headline(scene: Scene) -> tuple[str, str]:
    return sentences.headline(scene.seen())


@pytest.mark.parametrize(
    ("count", "said"), [(1, "t0 is good"), (2, "Both tokens are good"), (5, "All 5 tokens are good")]
)
def test_all_is_well(count: int, said: str) -> None:
    scene = tokens(count)
    for name in scene.settings.tokens:
        scene.hold(name)
    assert headline(scene) == ("good", said)
    assert sentences.readiness(scene.seen()) == "ready"


@pytest.mark.parametrize(
    ("held", "said"), [(0, "3 of 3 tokens are being fetched"), (2, "1 of 3 tokens is being fetched")]
)
def test_a_broker_that_has_just_started_says_so(held: int, said: str) -> None:
    scene = tokens(3)
    for name in list(scene.settings.tokens)[:held]:
        scene.hold(name)
    assert headline(scene) == ("wait", said)
    assert sentences.readiness(scene.seen()) == "starting"


def test_one_token_that_has_just_been_asked_for_is_named() -> None:
    assert headline(tokens(1)) == ("wait", "t0 is being fetched")


def test_a_missing_token_is_named_before_everything_else() -> None:
    scene = tokens(5)
    for name in ("t0", "t1", "t2", "t4"):
        scene.hold(name)
    scene.fail("t3", WRONG_KEY)
    assert headline(scene) == ("bad", "1 of 5 tokens is missing: t3")
    assert sentences.readiness(scene.seen()) == "not ready"
    assert scene.seen().tokens[0].name == "t3"


def test_of_many_missing_tokens_some_are_named_and_the_rest_counted() -> None:
    scene = tokens(30)
    for name in scene.settings.tokens:
        scene.fail(name, DOWN)
    assert headline(scene) == ("bad", "30 of 30 tokens are missing: t0, t1, t2 and 27 more")


def test_a_missing_token_that_is_not_required_is_a_warning() -> None:
    scene = tokens(2, t1=False)
    scene.hold("t0")
    scene.fail("t1", DOWN)
    assert headline(scene) == ("warn", "1 of 2 tokens is missing: t1")
    assert sentences.readiness(scene.seen()) == "ready"


def test_one_token_is_missing_or_has_expired() -> None:
    scene = tokens(1)
    scene.fail("t0", DOWN)
    assert headline(scene) == ("bad", "t0 is missing")
    scene.hold("t0", age=0, lifetime=60)
    scene.time += 90
    assert headline(scene) == ("bad", "t0 has expired")


def test_a_refresh_that_fails_is_a_warning_while_the_token_is_good() -> None:
    one, five = tokens(1), tokens(5)
    for scene in (one, five):
        for name in scene.settings.tokens:
            scene.hold(name)
        scene.fail("t0", DOWN)
    assert headline(one) == ("warn", "t0 is good, but its refresh fails")
    assert headline(five) == ("warn", "All 5 tokens are good, but the refresh of t0 fails")
    assert sentences.readiness(five.seen()) == "ready"


def test_a_loop_that_has_ended_is_worse_than_anything() -> None:
    scene = tokens(1)
    scene.alive = False
    assert headline(scene)[0] == "bad"
    assert "broken" in headline(scene)[1]


def test_a_token_that_ran_out_while_the_machine_slept_is_explained() -> None:
    scene = one_token()
    scene.hold("users-api", age=0, lifetime=60)
    scene.time += 3600
    token = scene.seen().tokens[0]
    assert token.standing is TokenStanding.EXPIRED
    assert sentences.trouble(token, scene.seen().at) == sentences.ASLEEP
    assert sentences.expiry(token, scene.seen().at)[0] == "expired 59 min ago"


FILE = "/run/tokens/users"
FULL = SinkFailed(token="t0", file=FILE, detail=f"{FILE} cannot be written: No space left on device")


def with_a_sink() -> Scene:
    scene = Scene({"okta": a_client()}, {"t0": TokenSettings(client="okta", sinks=(SinkSettings(path=FILE),))})
    scene.hold("t0")
    return scene


def test_what_a_sink_holds_is_told_from_its_events() -> None:
    scene = with_a_sink()
    told = []
    for event in (None, SinkCleared, SinkWritten, SinkCleared):
        if event:
            scene.tell(event(token="t0", file=FILE))
        scene.time += 90
        told.append(sentences.sink(scene.seen().tokens[0].sinks[0], scene.seen().at))
    assert told == ["no token in it yet"] * 2 + ["written 90 s ago", "written 3 min ago, removed since"]


@pytest.mark.parametrize("event", [SinkWritten, SinkCleared])
def test_sink_that_fails_is_a_remark_until_it_is_mended(event: type[SinkWritten | SinkCleared]) -> None:
    scene = with_a_sink()
    scene.tell(FULL)
    assert list(sentences.notices(scene.seen())) == [("warn", f"t0: {FULL.detail}.")]
    assert headline(scene) == ("good", "t0 is good")
    assert sentences.readiness(scene.seen()) == "ready"
    scene.tell(event(token="t0", file=FILE))
    assert list(sentences.notices(scene.seen())) == []


def test_how_long_it_has_been_failing_is_counted_from_the_first_failure_in_a_row() -> None:
    scene = one_token()
    scene.fail("users-api", DOWN)
    assert sentences.trouble(scene.seen().tokens[0], scene.seen().at) == "failed just now"
    scene.hold("users-api")
    scene.fail("users-api", DOWN, attempts=7, lasting=720)
    assert sentences.trouble(scene.seen().tokens[0], scene.seen().at) == "failing for 12 min, 7 attempts"


def test_the_next_attempt_is_told_and_one_that_is_overdue_too() -> None:
    scene = one_token()
    assert sentences.rhythm(scene.seen().tokens[0], scene.seen().at) == "first attempt under way"
    scene.fail("users-api", DOWN, retry=40)
    assert sentences.rhythm(scene.seen().tokens[0], scene.seen().at) == "next attempt in 40 s"
    scene.time += 40
    assert sentences.rhythm(scene.seen().tokens[0], scene.seen().at) == "attempt due now"
    scene.hold("users-api", age=100)
    assert sentences.rhythm(scene.seen().tokens[0], scene.seen().at) == "refreshed 99 s ago, next refresh in 35 min"


def test_it_says_whether_anybody_wants_the_token() -> None:
    scene = one_token()
    scene.hold("users-api")
    assert sentences.handed_out(scene.seen().tokens[0], scene.seen().at) == "not yet"
    scene.hand_out("users-api", 1284)
    scene.time += 3
    assert sentences.handed_out(scene.seen().tokens[0], scene.seen().at) == "1,284 times, last 3 s ago"


@pytest.mark.parametrize(
    ("offset", "used", "said"),
    [
        (0.34, False, "the server's clock agrees with ours (+0.3 s)"),
        (-1.2, False, "the server's clock agrees with ours (-1.2 s)"),
        (14.4, True, "the server's clock is 14 s ahead of ours; assertions follow the server's"),
        (-200.0, False, "the server's clock is 3 min behind ours; it is corrected once a second answer says so too"),
        (900.0, False, "the server's clock is 15 min ahead of ours, which is beyond max_clock_offset (5m)"),
    ],
)
def test_the_clock_offset_is_told_with_what_is_made_of_it(offset: float, used: bool, said: str) -> None:  # noqa: FBT001 - a row of the table
    scene = one_token()
    assert sentences.offset(scene.seen().clients[0]) == "not compared yet"
    scene.tell(ClockMeasured(client="okta", offset=offset, used=used))
    assert sentences.offset(scene.seen().clients[0]).startswith(said)
    assert len(list(sentences.notices(scene.seen()))) == (abs(offset) > 2)


async def test_a_refused_key_file_is_a_remark_while_the_old_key_serves(tmp_path: Path) -> None:
    file = tmp_path / "key.jwk"
    write_key(file, 1, "one")
    scene = Scene({"okta": a_client(private_keys=(KeySettings(file=str(file)),))}, {"t": TokenSettings(client="okta")})
    await scene.keys["okta"].load()
    assert not list(sentences.notices(scene.seen()))
    scene.time += 60
    file.write_text("{")
    await scene.keys["okta"].load()
    ((level, said),) = sentences.notices(scene.seen())
    assert level == "warn"
    assert str(file) in said
    assert "The key loaded before stays in use." in said
    (key,) = scene.seen().clients[0].keys
    assert (key.loaded_at, key.refused_at) == (scene.seen().at - 60, scene.seen().at)
    assert sentences.key(scene.seen().clients[0], key, scene.seen().at) == "ES256, loaded 60 s ago"


async def test_a_second_key_is_in_reserve_and_a_file_without_a_key_says_so(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b", "c")]
    for number, file in enumerate(files[:2]):
        write_key(file, number, f"k{number}")
    keys = tuple(KeySettings(file=str(file)) for file in files)
    scene = Scene({"okta": a_client(private_keys=keys)}, {"t": TokenSettings(client="okta")})

    def said() -> list[str]:
        client = scene.seen().clients[0]
        return [sentences.key(client, key, scene.seen().at) for key in client.keys]

    assert said() == ["not read yet"] * 3
    await scene.keys["okta"].load()
    assert said() == ["ES256, loaded just now", "ES256, loaded just now, in reserve", "no key"]


def test_a_missing_key_is_told_with_the_token_it_costs_and_not_twice() -> None:
    scene = one_token()
    scene.tell(KeyRefused(client="okta", file="/key", detail="/key does not exist", kept=False))
    scene.fail("users-api", KeyFileError("/key does not exist"))
    assert headline(scene) == ("bad", "users-api is missing")
    assert not list(sentences.notices(scene.seen()))


def test_a_changed_configuration_is_a_remark_until_it_is_as_before() -> None:
    scene = one_token()
    scene.tell(ConfigChanged(file="/c.yaml", stale=True))
    ((_, said),) = sentences.notices(scene.seen())
    assert "Restart the broker" in said
    scene.tell(ConfigChanged(file="/c.yaml", stale=False))
    assert not list(sentences.notices(scene.seen()))


def test_warnings_and_defects_are_remarks_and_never_more_than_a_few() -> None:
    scene = one_token()
    scene.tell(Crashed(where="x.py:1 f", error="KeyError"), *(Warned(detail=f"warning {i}") for i in range(50)))
    said = [text for _, text in sentences.notices(scene.seen())]
    assert "KeyError in x.py:1 f" in said[0]
    assert said[-1] == "warning 49"
    assert len(said) == 9
