"""What a good request gets, and how scopes decide."""

import base64
import json
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from broker.devserver import ANYONE, DevServer
from devserver_client import SCOPE, Asker, public


def look_into(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, claims, _ = (base64.urlsafe_b64decode(part + "==") for part in token.split("."))
    return json.loads(header), json.loads(claims)


async def test_a_good_assertion_gets_a_bearer_token(app: Asker) -> None:
    reply = await app.ask()
    assert reply.status == 200
    assert reply.body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (reply.body["token_type"], reply.body["expires_in"], reply.body["scope"]) == ("Bearer", 3600, SCOPE)
    assert reply.headers["Cache-Control"] == "no-store"


async def test_a_token_can_be_looked_into_and_verified(app: Asker, server: DevServer) -> None:
    token = (await app.ask()).body["access_token"]
    header, claims = look_into(token)
    assert (header["alg"], header["typ"]) == ("ES256", "at+jwt")
    assert (claims["iss"], claims["cid"], claims["scp"]) == (server.issuer, "app", [SCOPE])
    published = (await app.get("/oauth2/v1/keys")).body["keys"]
    assert jwt.decode(token, ECKey.import_key(published[0]), algorithms=["ES256"]).claims == claims


async def test_its_lifetime_is_that_of_the_server_and_may_change(app: Asker, server: DevServer) -> None:
    server.lifetime = 30
    assert server.lifetime == 30
    body = (await app.ask()).body
    _, claims = look_into(body["access_token"])
    assert body["expires_in"] == 30
    assert 30 <= claims["exp"] - claims["iat"] <= 31


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512"])
async def test_rsa_signatures_are_taken(app: Asker, server: DevServer, rsa_key: RSAKey, algorithm: str) -> None:
    server.register("app", public(rsa_key))
    app.key, app.algorithm = rsa_key, algorithm
    assert (await app.ask()).status == 200


@pytest.mark.parametrize(("curve", "algorithm"), [("P-384", "ES384"), ("P-521", "ES512")])
async def test_ec_signatures_are_taken(app: Asker, server: DevServer, curve: Any, algorithm: str) -> None:
    app.key, app.algorithm = ECKey.generate_key(curve, auto_kid=True), algorithm
    server.register("app", public(app.key))
    assert (await app.ask()).status == 200


async def test_a_single_registered_key_needs_no_kid(app: Asker) -> None:
    app.header = {"kid": None}
    assert (await app.ask()).status == 200


async def test_the_audience_may_be_a_list(app: Asker, server: DevServer) -> None:
    assert (await app.ask(aud=[server.issuer, server.token_endpoint])).status == 200


async def test_the_audience_follows_the_host_that_was_called(app: Asker, server: DevServer) -> None:
    host = f"localhost:{server.port}"
    form = app.form(app.assertion(aud=f"http://{host}/oauth2/v1/token"))
    assert (await app.post(form, {"Host": host})).status == 200


async def test_jti_and_iat_are_optional(app: Asker) -> None:
    assert (await app.ask(jti=None, iat=None)).status == 200


async def test_unknown_header_members_and_certificates_are_passed_over(app: Asker) -> None:
    app.header = {"x5c": ["A" * 2000], "x5t#S256": "abc"}
    assert (await app.ask()).status == 200


async def test_scopes_that_are_not_granted_are_dropped_silently(app: Asker) -> None:
    reply = await app.post(app.form(app.assertion(), scope="okta.users.read okta.apps.manage reports"))
    assert (reply.status, reply.body["scope"]) == (200, "okta.users.read reports")


async def test_a_client_without_a_list_of_scopes_gets_all_it_asks_for(
    app: Asker, server: DevServer, key: ECKey
) -> None:
    server.register("app", public(key))
    reply = await app.post(app.form(app.assertion(), scope="anything okta.users.read"))
    assert reply.body["scope"] == "anything okta.users.read"


async def test_anyone_may_be_let_in_with_any_key(app: Asker, server: DevServer) -> None:
    server.register(ANYONE, None, ["reports"])
    app.client_id, app.key = "stranger", ECKey.generate_key("P-256", auto_kid=True)
    reply = await app.post(app.form(app.assertion(), scope="reports okta.users.read"))
    assert (reply.status, reply.body["scope"]) == (200, "reports")


async def test_even_anyone_must_send_a_sound_assertion(app: Asker, server: DevServer) -> None:
    server.register(ANYONE, None)
    app.client_id, app.key = "stranger", ECKey.generate_key("P-256", auto_kid=True)
    assert (await app.ask(aud=server.issuer)).sentence.startswith("The audience claim")
    assert (await app.ask(jti="once")).status == 200
    assert (await app.ask(jti="once")).sentence.endswith("already been used.")


@pytest.mark.parametrize("path", ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"])
async def test_its_metadata_names_the_issuer_and_the_token_endpoint(app: Asker, server: DevServer, path: str) -> None:
    found = (await app.get(path)).body
    assert (found["issuer"], found["token_endpoint"]) == (server.issuer, server.token_endpoint)
    assert found["token_endpoint_auth_methods_supported"] == ["private_key_jwt"]


async def test_every_answer_carries_okta_s_rate_limit_headers(app: Asker) -> None:
    headers = (await app.ask()).headers
    assert int(headers["X-Rate-Limit-Limit"]) > int(headers["X-Rate-Limit-Remaining"]) > 0
    assert int(headers["X-Rate-Limit-Reset"]) > app.wall()
    assert headers["X-Okta-Request-Id"]
