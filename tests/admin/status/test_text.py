"""What curl prints."""

import re
from pathlib import Path

from msgspec.structs import replace

from broker.admin.status import text
from broker.core.errors import RefusalError
from broker.core.events import ConfigChanged, SinkFailed, SinkWritten, Warned
from broker.core.settings import KeySettings, SinkSettings, TokenSettings
from browser.pictures import five_tokens, trouble
from status_scenes import Scene, a_client, one_token, write_key


async def test_a_calm_broker_is_a_line_for_each_token_and_client(tmp_path: Path) -> None:
    lines = text.render((await five_tokens(tmp_path)).seen()).splitlines()
    assert lines[0] == "● All 5 tokens are good (ready)"
    assert lines[1].startswith(
        "users-api: good, expires in 42 min (14:34:09 UTC), refreshed 17 min ago, next refresh in"
    )
    assert lines[3].endswith(", not required")
    assert lines[7] == "client okta: https://acme.okta.com; the server's clock agrees with ours (+0.3 s)"
    assert lines[8].startswith(
        "  /var/run/secrets/token-broker/okta/private-key.jwk: ES256, loaded 3 d 4 h ago, kid 2026"
    )
    assert lines[-1].startswith("token-broker 0.1.0 on web-6d9f4c7b8-x2kqz, Python 3.")


async def test_trouble_comes_first_with_cause_and_fix(tmp_path: Path) -> None:
    scene = await trouble(tmp_path)
    scene.tell(ConfigChanged(file="/c", stale=True))
    said = text.render(scene.seen())
    lines = said.splitlines()
    assert lines[0] == "✖ 1 of 5 tokens is missing: group-sync (not ready)"
    assert lines[3].startswith("▲ The configuration file has changed since the start.")
    assert lines[5].startswith("group-sync: expired 15 min ago (14:15:17 UTC), refreshed 75 min ago, next attempt")
    assert lines[6] == "  signature_refused: failing for 17 min, 9 attempts"
    assert [line.partition(":")[0] for line in lines[7:10]] == ["  cause", "  fix", "  said"]
    assert "  refused at 14:30:29 UTC: /var/run/secrets/token-broker/keycloak/private-key.jwk is not valid JSON" in said


def test_what_was_asked_for_and_not_granted_is_said() -> None:
    scene = one_token()
    scene.hold("users-api", scope="okta.users.read")
    assert "\n  not granted: okta.groups.read\n" in text.render(scene.seen())


def test_files_of_a_token_are_listed_with_what_fails() -> None:
    file = "/run/tokens/users"
    scene = one_token(sinks=(SinkSettings(path=file), SinkSettings(path="/run/tokens/other")))
    scene.hold("users-api")
    scene.tell(SinkWritten(token="users-api", file=file))
    scene.time += 300
    scene.tell(SinkFailed(token="users-api", file=file, detail=f"{file} cannot be written: No space left on device"))
    said = text.render(scene.seen())
    failure = f"failed at 13:57:09 UTC: {file} cannot be written: No space left on device"
    assert f"\n  file {file}: written 5 min ago\n  {failure}\n" in said
    assert "\n  file /run/tokens/other: no token in it yet\n" in said


async def test_no_text_from_outside_begins_a_line_or_moves_the_cursor(tmp_path: Path) -> None:
    evil = "\x1b[2J\u202e\nforged: good\r"
    files = [tmp_path / f"{name}{evil}" for name in ("good", "bad")]
    write_key(files[0], 1, None)
    files[1].write_text("broken")
    keys = tuple(KeySettings(file=str(file)) for file in files)
    scene = Scene(
        {"okta": a_client(issuer=f"https://a.example/{evil}", private_keys=keys)},
        {"t": TokenSettings(client="okta", scopes=(evil,))},
    )
    await scene.keys["okta"].load()
    scene.hold("t", scope="")
    scene.fail("t", RefusalError(400, evil, evil))
    scene.tell(Warned(detail=evil))
    scene.sources = replace(scene.sources, host=f"pod{evil}")
    said = text.render(scene.seen())
    assert not [line for line in said.splitlines() if line.startswith("forged")]
    assert all(line.isprintable() for line in said.split("\n"))
    for title in ("good", "bad", "refused", "said", "not granted", "on pod", "▲", "client okta: https://a.example/"):
        assert re.search(rf"{re.escape(title)}.*\[2J ?forged: good", said), title
