"""Every row of the tables: the server refuses in that way, and `check` says what to do."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from broker.core.durations import Duration
from broker.core.settings import Assertion
from broker.core.words import clean
from broker.devserver import Fault
from broker.providers.diagnose import REFUSALS
from broker.providers.rows import Row, normal
from check.scene import CLIENT_ID, Report, Scene, a_key, write
from diagnosis import test_okta
from diagnosis.refusals import SAID, Said

OKTA = [
    *(Said("okta", 401, "invalid_client", text, reason, act) for text, act, reason in test_okta.REFUSED_CLIENTS),
    *(Said("okta", status, code, text, reason, act) for status, code, text, act, reason in test_okta.REFUSED_REQUESTS),
]
#: Bare codes and statuses, which are anybody's.
ANYBODY = [
    Said("generic", status, code, None, reason, row.act)
    for status, code, reason, row in (
        *((400, code, row.reason, row) for row in REFUSALS for code in row.codes if not row.says and not row.providers),
        *(
            (status, "", row.reason, row)
            for row in REFUSALS
            for status in list(row.statuses)[:1]
            if not row.codes and not row.providers
        ),
    )
]
#: Statuses that are no refusal to the HTTP client.
NO_REFUSALS = {300, 200}


def fault(said: Said) -> Fault:
    """The answer as the server sends it; Okta's own errors have another shape."""
    body: dict[str, object] = {"error": said.error, "error_description": said.description}
    if said.error.startswith("E0000"):
        body = {"errorCode": said.error, "errorSummary": said.description}
    return Fault(status=said.status, body=body if said.error else f"<title>{said.description or ''}</title>")


def is_meant(said: Said, row: Row) -> bool:
    """Whether `said` is an example for `row`."""
    return row.fits(said.status, normal(said.error), normal(said.description or ""), said.provider)


def named(text: str) -> str:
    """With the names of the scene."""
    names = {"clients.<name>": "clients.okta", "tokens.<name>": "tokens.users-api", "--client NAME": "--client okta"}
    for place, name in names.items():
        text = text.replace(place, name)
    return text


@pytest.mark.parametrize("said", [*OKTA, *SAID, *(one for one in ANYBODY if one.status not in NO_REFUSALS)], ids=str)
async def test_a_refusal_is_read_with_the_servers_words_the_cause_and_the_fix(scene: Scene, said: Said) -> None:
    row = next(row for row in REFUSALS if is_meant(said, row))
    scene.server.faults.set(fault(said))
    found = await scene.check(provider=said.provider)
    assert f"FAIL token users-api: refused with {said.status} ({said.reason})" in found.read
    words = clean(": ".join(filter(None, (said.error, said.description))))
    assert not words or f'said "{words}"' in found.read
    assert named(row.cause).replace("{status}", str(said.status)) in named(found.read)
    assert [text for text in row.steps or [row.fix] if named(text) not in found.read] == []
    assert not found.ok


def test_there_is_an_example_of_every_row() -> None:
    examples = [*OKTA, *SAID, *ANYBODY]
    first = [next(row for row in REFUSALS if is_meant(said, row)) for said in examples]
    assert [row for row in REFUSALS if not any(row is seen for seen in first)] == []


# What the server itself checks


Change = Callable[[Scene], dict[str, Any]]


def another_key(scene: Scene) -> dict[str, Any]:
    scene.register(a_key())
    return {}


def no_kid(scene: Scene) -> dict[str, Any]:
    scene.register(scene.key, a_key("second"))
    write(scene.folder / "key.jwk", scene.key, kid=None)
    return {}


def wrong_kid(scene: Scene) -> dict[str, Any]:
    scene.register(kid="another")
    return {}


def key_for_encryption(scene: Scene) -> dict[str, Any]:
    scene.register(use="enc")
    return {}


def other_algorithm(scene: Scene) -> dict[str, Any]:
    scene.register(alg="ES384")
    return {}


def no_registered_key(scene: Scene) -> dict[str, Any]:
    scene.server.register(CLIENT_ID, {"keys": []})
    return {}


def unreachable_jwks(scene: Scene) -> dict[str, Any]:
    scene.server.register(CLIENT_ID, "http://127.0.0.1:9/jwks.json")
    return {}


def unknown_client(_scene: Scene) -> dict[str, Any]:
    return {"client_id": "0oaunknown"}


def wrong_audience(_scene: Scene) -> dict[str, Any]:
    return {"assertion": Assertion(audience="https://elsewhere.example")}


def too_long(_scene: Scene) -> dict[str, Any]:
    return {"assertion": Assertion(audience="token_endpoint", lifetime=Duration(7200))}


def no_scopes(scene: Scene) -> dict[str, Any]:
    scene.token = replace(scene.token, scopes=())
    return {}


def self_scope(scene: Scene) -> dict[str, Any]:
    scene.token = replace(scene.token, scopes=("okta.users.read.self",))
    return {}


def openid(scene: Scene) -> dict[str, Any]:
    scene.token = replace(scene.token, scopes=("openid",))
    return {}


def unknown_scope(scene: Scene) -> dict[str, Any]:
    scene.token = replace(scene.token, scopes=("orders",))
    return {}


def not_granted(scene: Scene) -> dict[str, Any]:
    scene.token = replace(scene.token, scopes=("okta.apps.read",))
    return {}


def slow_clock(scene: Scene) -> dict[str, Any]:
    scene.server.faults.skew = 4000
    return {}


def fast_clock(scene: Scene) -> dict[str, Any]:
    scene.server.faults.skew = -4000
    return {}


@pytest.mark.parametrize(
    ("change", "reason", "said"),
    [
        (another_key, "signature_refused", "The client_assertion signature is invalid."),
        (no_kid, "kid_refused", "The client_assertion JWT kid is invalid."),
        (wrong_kid, "kid_refused", "The client_assertion JWT kid is invalid."),
        (key_for_encryption, "jwks_refused", "The client_assertion JWT needs to be signed using a signing key."),
        (other_algorithm, "algorithm_refused", "The client_assertion JWT signature algorithm is invalid."),
        (no_registered_key, "jwks_refused", "The client does not have a JWKSet configured"),
        (unreachable_jwks, "jwks_refused", "Error retrieving the client JWKSet from jwks_uri."),
        (unknown_client, "client_unknown", "The issuer claim for client_assertion is not a valid client_id."),
        (wrong_audience, "audience_refused", "must be the endpoint invoked for the request."),
        (too_long, "clock", "has an expiration too far into the future."),
        (slow_clock, "clock", "The client_assertion token is expired."),
        (fast_clock, "clock", "The client_assertion token has an expiration too far into the future."),
        (no_scopes, "scope_refused", "No scopes were requested."),
        (self_scope, "scope_refused", "may not request .self scopes."),
        (openid, "scope_refused", "Cannot request 'openid' scopes using client credentials."),
        (unknown_scope, "scope_refused", "One or more scopes are not configured"),
        (not_granted, "scope_refused", "You are not allowed any of the requested scopes."),
    ],
)
async def test_what_the_server_checks_itself_is_read_the_same_way(
    scene: Scene, change: Change, reason: str, said: str
) -> None:
    found: Report = await scene.check(**change(scene))
    assert f"FAIL token users-api: refused with {found_status(found)} ({reason})" in found.read
    assert said in found.read
    assert "fix " in found.read


def found_status(found: Report) -> str:
    return found.step("token").detail.rpartition(" ")[2]


@pytest.mark.parametrize("change", [another_key, no_registered_key])
async def test_where_the_key_is_to_be_registered_it_stands_there_to_be_pasted(scene: Scene, change: Change) -> None:
    found = await scene.check(**change(scene))
    assert found.members("token")["problem"]["public_jwk"]["x"] == scene.key.as_dict(private=False)["x"]


async def test_where_the_key_is_not_the_matter_it_is_not_pasted(scene: Scene) -> None:
    found = await scene.check(**not_granted(scene))
    assert "public_jwk" not in found.members("token")["problem"]
