"""The steps, in order, when all is well or the way ends early."""

import asyncio

from msgspec.structs import replace

from broker.core.durations import Ahead, Duration
from broker.core.settings import Http, Refresh, TokenSettings
from broker.devserver import Fault
from check.scene import CLIENT_ID, SCOPES, Scene, a_key, report, write

ALL = ["configuration", "key", "connection", "metadata", "clock", "token", "scopes"]


async def test_a_chain_that_holds_is_one_line_a_step_and_all_good(scene: Scene) -> None:
    found = await scene.check()
    assert found.went == [(name, "ok") for name in ALL]
    assert found.ok
    assert found.text.splitlines()[-1] == "All good."


async def test_the_key_is_named_by_kid_algorithm_and_thumbprint(scene: Scene) -> None:
    found = await scene.check()
    assert f"ES256, kid 2026-11-okta, thumbprint {scene.key.thumbprint()}" in found.read
    members = found.members("key")
    assert (members["kid"], members["algorithm"], members["thumbprint"]) == (
        "2026-11-okta",
        "ES256",
        scene.key.thumbprint(),
    )


async def test_a_key_without_kid_is_said_to_have_none(scene: Scene) -> None:
    write(scene.folder / "key.jwk", scene.key, kid=None)
    assert "ES256, no kid, thumbprint" in (await scene.check()).read


async def test_the_token_endpoint_that_was_found_is_shown(scene: Scene) -> None:
    found = await scene.check()
    assert f"token endpoint {scene.server.token_endpoint}" in found.read
    assert found.members("metadata")["token_endpoint"] == scene.server.token_endpoint


async def test_the_lifetime_is_shown_and_when_the_token_would_be_replaced(scene: Scene) -> None:
    found = await scene.check()
    assert "users-api: Bearer for 1 h, replaced after 34 to 40 min" in found.read
    members = found.members("token")
    assert (members["lifetime"], members["refreshed_after"]) == (3600.0, [2040.0, 2400.0])


async def test_a_configured_lead_is_what_counts(scene: Scene) -> None:
    scene.token = replace(scene.token, refresh=Refresh(ahead=Ahead("10m")))
    assert (await scene.check()).members("token")["refreshed_after"] == [2640.0, 3000.0]


async def test_asked_and_granted_scopes_are_shown(scene: Scene) -> None:
    members = (await scene.check()).members("scopes")
    assert members["asked"] == members["granted"] == list(SCOPES)
    assert members["missing"] == members["extra"] == []


async def test_an_odd_answer_that_is_accepted_is_a_warning(scene: Scene) -> None:
    scene.server.faults.set(Fault(answer={"expires_in": 1_795_000_000, "scope": "a\nb"}))
    found = await scene.check()
    assert found.step("token").status == "warning"
    assert "looks like a point in time" in found.read
    assert "the answer's scope is not a list of scopes" in found.read
    assert len(found.step("token").facts["remarks"]) == 2  # type: ignore[arg-type]  # a list


async def test_scopes_beyond_what_was_asked_are_shown_and_no_failure(scene: Scene) -> None:
    scene.server.faults.set(Fault(answer={"scope": " ".join([*SCOPES, "profile"])}))
    found = await scene.check()
    assert found.ok
    assert "okta.groups.read; beyond that: profile" in found.read


async def test_a_token_for_which_no_scope_is_asked_says_so(scene: Scene) -> None:
    scene.token = TokenSettings(client="okta")
    scene.server.faults.set(
        Fault(status=200, body={"access_token": "t", "token_type": "Bearer", "expires_in": 60, "scope": "api"})
    )
    assert "users-api: none was asked for; beyond that: api" in (await scene.check()).read


async def test_the_clock_offset_is_shown(scene: Scene) -> None:
    found = await scene.check()
    assert abs(found.members("clock")["offset"]) < 2
    assert "the server's, within measuring error" in found.read


async def test_offline_sends_nothing(scene: Scene) -> None:
    found = await scene.check(offline=True)
    assert found.went == [("configuration", "ok"), ("key", "ok")]
    assert found.text.endswith("All good. Nothing was sent.")
    assert scene.server.journal.total == 0


async def test_a_written_token_endpoint_needs_no_metadata(scene: Scene) -> None:
    found = await scene.check(issuer=None, token_endpoint=scene.server.token_endpoint)
    assert [name for name, _ in found.went] == [
        "configuration",
        "key",
        "metadata",
        "connection",
        "clock",
        "token",
        "scopes",
    ]
    assert f"not needed: token endpoint {scene.server.token_endpoint}" in found.read
    assert found.ok


async def test_each_token_has_its_lines_and_the_client_its_own_once(scene: Scene) -> None:
    tokens = {"users-api": scene.token, "groups": TokenSettings(client="okta", scopes=("okta.groups.read",))}
    found = await report({"okta": scene.client}, tokens)
    assert found.went == [(name, "ok") for name in [*ALL, "token", "scopes"]]
    assert [step.token for step in found.steps if step.name == "token"] == ["users-api", "groups"]


async def test_clients_come_in_the_order_of_the_configuration_however_long_each_takes(scene: Scene) -> None:
    scene.server.faults.set(Fault(delay=0.3, client_id=CLIENT_ID))
    quick = replace(scene.client, client_id="quick")
    scene.server.register("quick", {"keys": [scene.key.as_dict(private=False)]})
    tokens = {"one": scene.token, "two": TokenSettings(client="quick", scopes=SCOPES)}
    found = await report({"okta": scene.client, "quick": quick}, tokens)
    assert [step.client for step in found.steps if step.name == "token"] == ["okta", "quick"]
    assert found.ok


async def test_a_client_that_no_token_uses_is_looked_at_as_far_as_that_goes(scene: Scene) -> None:
    other = replace(scene.client, issuer=None, token_endpoint=scene.server.token_endpoint)
    found = await report({"okta": scene.client, "other": other}, {"users-api": scene.token})
    assert [step.name for step in found.steps if step.client == "other"] == ["key", "metadata"]
    assert found.ok


async def test_without_a_usable_key_nothing_is_asked_for_but_the_way_is_looked_at(scene: Scene) -> None:
    (scene.folder / "key.jwk").write_text("{}")
    found = await scene.check()
    assert found.went == [
        ("configuration", "ok"),
        ("key", "failed"),
        ("connection", "ok"),
        ("metadata", "ok"),
        ("clock", "ok"),
        ("token", "skipped"),
    ]
    assert "users-api: not asked for, since there is nothing to sign with" in found.read
    assert scene.server.journal.total == 0


async def test_one_usable_key_of_two_is_asked_with(scene: Scene) -> None:
    (scene.folder / "broken.jwk").write_text("{")
    entry = scene.client.private_keys[0]
    broken = replace(entry, file=str(scene.folder / "broken.jwk"))
    found = await scene.check(private_keys=(broken, entry))
    assert [outcome for name, outcome in found.went if name in {"key", "token"}] == ["failed", "ok", "ok"]
    assert not found.ok


async def test_after_a_lost_connection_further_tokens_are_not_asked_for(scene: Scene) -> None:
    scene.server.faults.set(Fault(reset=True))
    tokens = {"users-api": scene.token, "groups": TokenSettings(client="okta", scopes=("okta.groups.read",))}
    found = await report({"okta": scene.client}, tokens)
    assert [outcome for name, outcome in found.went if name == "token"] == ["failed", "skipped"]
    assert "groups: not asked for, since there is no connection" in found.read


async def test_after_a_rate_limit_further_tokens_are_not_asked_for(scene: Scene) -> None:
    scene.server.faults.set(Fault(retry_after=600))
    tokens = {"users-api": scene.token, "groups": TokenSettings(client="okta", scopes=("okta.groups.read",))}
    found = await report({"okta": scene.client}, tokens)
    assert "groups: not asked for, since the server asks to be left alone" in found.read
    assert scene.server.journal.total == 1


async def test_a_key_that_is_refused_while_another_is_taken_is_a_warning(scene: Scene) -> None:
    new = write(scene.folder / "new.jwk", a_key("2026-12-okta"))
    found = await scene.check(private_keys=(new, *scene.client.private_keys))
    assert found.step("token").status == "warning"
    assert "the key 2026-12-okta was refused (kid_refused), 2026-11-okta was taken in its place" in found.read
    members = found.members("token")
    assert (members["key_used"], members["key_refused"], members["key_refused_for"]) == (
        "2026-11-okta",
        "2026-12-okta",
        "kid_refused",
    )
    assert found.ok
    assert found.text.endswith("All good, with 1 warning.")


async def test_a_server_that_hangs_does_not_hold_it_up(scene: Scene) -> None:
    scene.server.faults.set(Fault(hang=True))
    async with asyncio.timeout(5):
        found = await scene.check(http=Http(timeout=Duration(0.3), connect_timeout=Duration(0.3)))
    assert found.step("token").status == "failed"
    assert "(timeout)" in found.read


async def test_requests_that_each_just_make_it_end_after_three_timeouts(scene: Scene) -> None:
    entries = tuple(write(scene.folder / f"{number}.jwk", a_key(f"k{number}")) for number in range(9))
    scene.server.faults.set(Fault(delay=0.4))
    async with asyncio.timeout(5):
        found = await scene.check(private_keys=entries, http=Http(timeout=Duration(0.5), connect_timeout=Duration(0.5)))
    assert "no token within 1.5 s, in several requests" in found.read


async def test_warnings_of_the_configuration_are_lines_of_their_own(scene: Scene) -> None:
    found = await report({"okta": scene.client}, {"users-api": scene.token}, warnings=["api.require_header: off"])
    assert found.went[:2] == [("configuration", "ok"), ("configuration", "warning")]
    assert "warn configuration api.require_header: off" in found.read
