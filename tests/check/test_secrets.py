"""Nothing that the report is made of lets anybody in."""

import json

import pytest

from broker.core.settings import Assertion, Http
from broker.devserver import Fault
from check.scene import Scene, a_key, write

TOKEN = "eyJhbGciOiJIUzI1NiJ9.c2VjcmV0LWFjY2Vzcy10b2tlbg.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "fault",
    [
        Fault(answer={"access_token": TOKEN}),
        Fault(answer={"access_token": TOKEN, "scope": f"okta.users.read {TOKEN}"}),
        Fault(answer={"access_token": TOKEN, "token_type": "DPoP"}),
        Fault(status=400, body={"error": "invalid_client", "error_description": f"bad {TOKEN}"}),
        Fault(status=400, body={"error": TOKEN, "error_description": ""}),
        Fault(status=200, body=f"<title>{TOKEN}</title>"),
        Fault(status=302, headers={"Location": f"https://x.example/?code={TOKEN}"}),
        Fault(status=500, headers={"X-Okta-Request-Id": TOKEN}),
    ],
    ids=str,
)
async def test_no_token_is_in_the_report_wherever_the_server_puts_one(scene: Scene, fault: Fault) -> None:
    scene.server.faults.set(fault)
    found = await scene.check()
    for shown in (found.text, json.dumps(found.json), repr(found.steps)):
        assert TOKEN not in shown
        assert TOKEN.split(".")[1] not in shown


async def test_no_private_member_and_no_assertion_is_in_the_report(scene: Scene) -> None:
    scene.register(a_key())
    found = await scene.check()
    assert not found.ok
    private = str(scene.key.as_dict(private=True)["d"])
    for shown in (found.text, json.dumps(found.json), repr(found.steps)):
        assert private not in shown
        assert "eyJ" not in shown


async def test_further_claims_and_parameters_stay_secret_when_the_assertion_is_shown(scene: Scene) -> None:
    scene.register(a_key())
    assertion = Assertion(audience="token_endpoint", claims={"pin": "hunter2"})
    found = await scene.check(assertion=assertion)
    assert "sent iss 0oa1b2c3d4" in found.read
    assert "hunter2" not in found.text + json.dumps(found.json)


async def test_the_proxys_password_is_nowhere(scene: Scene) -> None:
    (scene.folder / "password").write_text("hunter2")
    http = Http(proxy="http://me@127.0.0.1:9", proxy_password_file=str(scene.folder / "password"))
    found = await scene.check(provider="generic", issuer="https://idp.example", http=http)
    assert "proxy 127.0.0.1:9" in found.read
    assert "hunter2" not in found.text + json.dumps(found.json)
    assert "me@" not in found.text


async def test_a_kid_with_escape_codes_is_not_accepted_let_alone_shown(scene: Scene) -> None:
    write(scene.folder / "key.jwk", scene.key, kid="\x1b[31mred")
    found = await scene.check()
    assert found.step("key").status == "failed"
    assert "\x1b" not in found.text
