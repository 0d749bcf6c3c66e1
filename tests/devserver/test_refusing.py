"""Okta's statuses and sentences, word for word as Okta's error table has them: typed here once more, on purpose."""

import io

import pytest

from broker.devserver.received import FORM
from devserver_client import Asker, basic

UNAUTHORIZED = (401, "invalid_client")
SECRET = (
    "Client Credentials requests to the Org Authorization Server must use the private_key_jwt "
    "token_endpoint_auth_method."
)
SEVERAL = (
    "Cannot supply multiple client credentials. Use one of the following: credentials in the Authorization header, "
    "credentials in the post body, or a client_assertion in the post body."
)
GRANT_TYPE = (
    "The authorization grant type is not supported by the authorization server. "
    "Configured grant types: [client_credentials]."
)

# The way of authentication


async def test_a_client_secret_by_basic_is_refused_with_the_sentence_this_product_exists_for(app: Asker) -> None:
    reply = await app.post({"grant_type": "client_credentials"}, basic("app", "s3cret"))
    assert reply.said == (*UNAUTHORIZED, SECRET)


async def test_a_client_secret_in_the_form_is_refused_alike(app: Asker) -> None:
    form = {"grant_type": "client_credentials", "client_id": "app", "client_secret": "s3cret"}
    assert (await app.post(form)).said == (*UNAUTHORIZED, SECRET)


async def test_a_secret_of_an_unknown_client_is_another_refusal(app: Asker) -> None:
    reply = await app.post({"grant_type": "client_credentials"}, basic("nobody", "s3cret"))
    assert reply.said == (*UNAUTHORIZED, "Invalid value for 'client_id' parameter.")


async def test_an_assertion_beside_a_basic_header_is_several_credentials(app: Asker) -> None:
    reply = await app.post(app.form(app.assertion()), basic("app", "s3cret"))
    assert reply.said == (401, "invalid_request", SEVERAL)


async def test_an_assertion_beside_a_secret_is_several_credentials(app: Asker) -> None:
    reply = await app.post(app.form(app.assertion(), client_secret="s3cret"))
    assert reply.said == (401, "invalid_request", SEVERAL)


async def test_no_credentials_at_all_are_refused(app: Asker) -> None:
    reply = await app.post({"grant_type": "client_credentials"})
    assert reply.said == (*UNAUTHORIZED, "No client credentials found.")


async def test_an_assertion_type_without_an_assertion_is_no_credentials(app: Asker) -> None:
    reply = await app.post(app.form("", client_assertion=None))
    assert reply.said == (*UNAUTHORIZED, "No client credentials found.")


async def test_a_client_id_alone_is_refused(app: Asker) -> None:
    reply = await app.post({"grant_type": "client_credentials", "client_id": "app"})
    sentence = "Client authentication failed. Either the client or the client credentials are invalid."
    assert reply.said == (*UNAUTHORIZED, sentence)


@pytest.mark.parametrize("header", ["Bearer abc", "Basic !!!", "Basic YWJj", "Basic /////w==", ""])
async def test_an_authorization_header_that_is_not_basic_is_refused(app: Asker, header: str) -> None:
    reply = await app.post({"grant_type": "client_credentials"}, {"Authorization": header})
    assert reply.said == (*UNAUTHORIZED, "Found Authentication header but was not valid client credentials.")


@pytest.mark.parametrize("kind", [None, "", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"])
async def test_a_wrong_assertion_type_is_refused(app: Asker, kind: str | None) -> None:
    reply = await app.post(app.form(app.assertion(), client_assertion_type=kind))
    assert reply.said == (400, "invalid_request", "The client_assertion_type is invalid.")


# The form


async def test_a_missing_grant_type_is_refused(app: Asker) -> None:
    reply = await app.post(app.form(app.assertion(), grant_type=None))
    sentence = "The token request must specify a 'grant_type'. Valid values: [client_credentials]"
    assert reply.said == (400, "invalid_request", sentence)


async def test_another_grant_type_is_refused(app: Asker) -> None:
    reply = await app.post(app.form(app.assertion(), grant_type="password"))
    assert reply.said == (
        400,
        "unsupported_grant_type",
        GRANT_TYPE,
    )


async def test_a_parameter_given_twice_is_refused(app: Asker) -> None:
    reply = await app.post([*app.form(app.assertion()).items(), ("scope", "okta.groups.read")])
    sentence = "Duplicate parameter provided in request. Duplicated parameters: [scope]."
    assert reply.said == (400, "invalid_request", sentence)


async def test_resource_may_be_given_twice(app: Asker) -> None:
    fields = [*app.form(app.assertion()).items(), ("resource", "https://a"), ("resource", "https://b")]
    assert (await app.post(fields)).status == 200


async def test_a_body_that_is_not_a_form_is_refused_in_the_shape_of_okta_s_core(app: Asker) -> None:
    reply = await app.post(b"{}", {"Content-Type": "application/json"})
    assert (reply.status, reply.body["errorCode"]) == (415, "E0000021")


async def test_a_form_that_is_not_text_is_refused(app: Asker) -> None:
    reply = await app.post(b"scope=\xff\xfe", {"Content-Type": FORM})
    assert (reply.status, reply.body["errorCode"]) == (400, "E0000003")


async def test_a_body_without_bounds_is_refused(app: Asker) -> None:
    reply = await app.post(io.BytesIO(b"x" * (2 << 20)), {"Content-Type": FORM})
    assert (reply.status, reply.body["errorCode"]) == (413, "E0000003")


# The scopes


@pytest.mark.parametrize(
    ("scope", "error", "sentence"),
    [
        (None, "invalid_scope", "No scopes were requested."),
        ("  ", "invalid_scope", "No scopes were requested."),
        ("okta.apps.read", "consent_required", "You are not allowed any of the requested scopes."),
        (
            "okta.users.read orders",
            "invalid_scope",
            "One or more scopes are not configured for the authorization server resource.",
        ),
        (
            'okta.users.read "',
            "invalid_scope",
            "The requested scope is invalid, unknown, malformed, or exceeds the scope granted by the resource owner.",
        ),
        ("openid", "invalid_scope", "Cannot request 'openid' scopes using client credentials."),
        (
            "okta.users.read.self",
            "client_credentials_self_scope_requested",
            "The 'client_credentials' grant type may not request .self scopes.",
        ),
    ],
)
async def test_scopes_that_cannot_be_granted_are_refused(
    app: Asker, scope: str | None, error: str, sentence: str
) -> None:
    assert (await app.post(app.form(app.assertion(), scope=scope))).said == (400, error, sentence)
