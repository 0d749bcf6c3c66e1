"""The assertion as the grant itself (RFC 7523 section 2.1), and members of the answer that are passed on."""

import json
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from msgspec.structs import replace

from broker.core.settings import Assertion, JwtBearer, TokenSettings
from grant.stage import GOOD, a_stage, form_of
from raw_server import answers, http, raw_server


def a_token(**bearer: Any) -> TokenSettings:
    return TokenSettings(client="c", grant="jwt_bearer", scopes=("read", "write"), jwt_bearer=JwtBearer(**bearer))


async def sent(folder: Path, token: TokenSettings, **settings: Any) -> tuple[dict[str, list[str]], dict[str, Any]]:
    """The form that reaches a server, without the assertion, and the assertion's claims, verified."""
    async with raw_server(answers(GOOD)) as server, a_stage(folder, f"{server.url}/token", **settings) as stage:
        await stage.grant.fetch(token)
        form = form_of(server.requests[0])
        return form, jwt.decode(form.pop("assertion")[0], stage.key).claims


async def test_the_form_holds_the_grant_and_no_authentication_of_the_client(tmp_path: Path) -> None:
    form, _ = await sent(tmp_path, a_token())
    assert form == {"grant_type": ["urn:ietf:params:oauth:grant-type:jwt-bearer"], "scope": ["read write"]}


async def test_the_issuer_is_the_client_and_nobody_is_the_subject_unless_said(tmp_path: Path) -> None:
    _, claims = await sent(tmp_path, a_token())
    assert claims["iss"] == "client"
    assert set(claims) == {"iss", "aud", "iat", "exp", "jti"}


async def test_issuer_and_subject_are_as_configured(tmp_path: Path) -> None:
    _, claims = await sent(tmp_path, a_token(issuer="robot@example.com", subject="alice@example.com"))
    assert (claims["iss"], claims["sub"]) == ("robot@example.com", "alice@example.com")


async def test_the_scopes_may_stand_in_the_assertion_instead(tmp_path: Path) -> None:
    form, claims = await sent(tmp_path, a_token(scope_in="assertion"))
    assert "scope" not in form
    assert claims["scope"] == "read write"


async def test_resources_stand_beside_the_scopes(tmp_path: Path) -> None:
    uris = ("https://a.example", "https://b.example")
    form, claims = await sent(tmp_path, replace(a_token(scope_in="assertion"), resource=uris))
    assert "resource" not in form
    assert claims["resource"] == list(uris)
    form, claims = await sent(tmp_path, replace(a_token(), resource=uris))
    assert form["resource"] == list(uris)
    assert "resource" not in claims


async def test_without_scopes_there_is_no_claim_of_them(tmp_path: Path) -> None:
    token = TokenSettings(client="c", grant="jwt_bearer", jwt_bearer=JwtBearer(scope_in="assertion"))
    assert "scope" not in (await sent(tmp_path, token))[1]


async def test_further_claims_are_added(tmp_path: Path) -> None:
    assertion = Assertion(audience="https://a.example/", claims={"resource": ["https://api.example"]})
    _, claims = await sent(tmp_path, a_token(), assertion=assertion)
    assert (claims["aud"], claims["resource"]) == ("https://a.example/", ["https://api.example"])


@pytest.mark.parametrize("value", ["https://acme.example", 5, None, ["a"]])
async def test_members_of_the_answer_that_were_asked_for_are_kept_and_no_others(tmp_path: Path, value: object) -> None:
    answer = {"access_token": "t", "token_type": "Bearer", "instance_url": value, "id": "https://id.example"}
    token = TokenSettings(client="c", extra_fields=("instance_url", "absent"))
    answering = answers(http(json.dumps(answer).encode()))
    async with raw_server(answering) as server, a_stage(tmp_path, f"{server.url}/token") as stage:
        assert (await stage.grant.fetch(token)).extra == {"instance_url": value}
