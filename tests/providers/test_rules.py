"""What each provider refuses, as configuration errors with the provider's reason."""

from pathlib import Path

import pytest

from providers.written import load, refused, text, whole


@pytest.mark.parametrize(
    ("server", "client", "said"),
    [
        (
            "entra",
            "private_key: {file: a}",
            "Microsoft Entra ID finds the key by its certificate's thumbprint (x5t#S256); name the PEM file",
        ),
        (
            "ibm-verify",
            "algorithms: [ES256]",
            "IBM Verify refuses ES256; it takes RS256, RS384, RS512, PS256, PS384, PS512",
        ),
        ("nhs", "algorithms: [RS256]", "NHS England refuses RS256; it takes RS512"),
        ("nhs", "assertion: {lifetime: 301s}", "NHS England takes 5m at most, not 301s"),
        ("nhs", "assertion: {audience: issuer}", "NHS England expects the URL of the token endpoint; leave it out"),
        ("nhs", "assertion: {typ: at+jwt}", "NHS England refuses any typ but JWT; leave it out"),
        (
            "google",
            "client_id: 104999999999999999999",
            "Google knows a service account by its e-mail address, client_email in its key file",
        ),
        (
            "google",
            "assertion: {audience: token_endpoint}",
            "Google expects https://oauth2.googleapis.com/token, wherever it is reached; leave it out",
        ),
        ("google", "assertion: {lifetime: 61m}", "Google takes 1h at most, not 61m"),
        ("google", "algorithms: [ES256]", "Google refuses ES256; it takes RS256"),
        ("salesforce", "assertion: {lifetime: 6m}", "Salesforce takes 5m at most, not 6m"),
        (
            "salesforce",
            "assertion: {audience: token_endpoint}",
            "Salesforce expects https://login.salesforce.com, https://test.salesforce.com for a sandbox, or",
        ),
        ("maskinporten", "assertion: {lifetime: 121s}", "Maskinporten takes 2m at most, not 121s"),
        (
            "maskinporten",
            "assertion: {audience: token_endpoint}",
            "Maskinporten expects its issuer, not the URL of the token endpoint; leave it out",
        ),
        (
            "maskinporten",
            "assertion: {claims: {consumer_org: '910753614', tenant: acme}}",
            "Maskinporten refuses an assertion with a claim that it does not know (Invalid assertion);",
        ),
        (
            "id-porten",
            "assertion: {claims: {consumer_org: '910753614'}}",
            "ID-porten refuses an assertion with a claim that it does not know (Invalid assertion);",
        ),
        ("docusign", "assertion: {lifetime: 2h}", "DocuSign takes 1h at most, not 2h"),
        (
            "docusign",
            "assertion: {audience: 'https://account.docusign.com'}",
            "DocuSign expects the name of its host alone, account.docusign.com or, for a demo account,",
        ),
        (
            "zitadel",
            "assertion: {audience: token_endpoint}",
            "Zitadel expects its issuer, https://DOMAIN; leave it out",
        ),
        (
            "okta",
            "private_key: {file: a, algorithm: PS256}",
            "Okta refuses PS256; it takes RS256, RS384, RS512, ES256, ES384, ES512",
        ),
        ("okta", "algorithms: [EdDSA]", "Okta refuses EdDSA; it takes RS256, RS384, RS512, ES256, ES384, ES512"),
        ("okta", "assertion: {lifetime: 61m}", "Okta takes 1h at most, not 61m"),
        (
            "okta",
            "assertion: {audience: issuer}",
            "Okta refuses any audience but the URL of the endpoint that is called; leave it out",
        ),
        (
            "entra",
            "private_key: {file: a, certificate_file: a.crt, algorithm: ES256}",
            "Microsoft Entra ID refuses ES256; it takes PS256, RS256",
        ),
        ("entra", "send_client_id: false", "Microsoft Entra ID requires client_id in the form; leave it out"),
        (
            "entra",
            "assertion: {audience: issuer}",
            "Microsoft Entra ID expects the URL of the token endpoint; leave it out",
        ),
        ("auth0", "assertion: {lifetime: 301s}", "Auth0 takes 5m at most, not 301s"),
        (
            "auth0",
            "assertion: {audience: token_endpoint}",
            "Auth0 expects its issuer, https://TENANT.auth0.com/; leave it out",
        ),
        ("auth0", "algorithms: [RS512]", "Auth0 refuses RS512; it takes RS256, RS384, PS256"),
        ("smart", "assertion: {lifetime: 6m}", "SMART takes 5m at most, not 6m"),
        ("smart", "assertion: {typ: at+jwt}", "SMART backend services require JWT; leave it out"),
        (
            "smart",
            "assertion: {audience: issuer}",
            "SMART backend services expect the URL of the token endpoint; leave it out",
        ),
        ("pingone", "algorithms: [PS256]", "PingOne refuses PS256; it takes RS256, RS384, RS512, ES256, ES384, ES512"),
    ],
)
def test_what_the_provider_refuses_of_a_client_is_an_error(server: str, client: str, said: str, tmp_path: Path) -> None:
    (only,) = refused(tmp_path, text(server, client))
    assert f": {said}" in only


ORG_SCOPES = (
    "Okta's org authorization server grants its own scopes only (okta.…); scopes of your own belong to a custom"
)


@pytest.mark.parametrize(
    ("server", "token", "key", "said"),
    [
        (
            "okta",
            "scopes: []",
            "scopes",
            "Okta's org authorization server refuses a request without scopes (No scopes were",
        ),
        ("okta", "scopes: [okta.a, read]", "scopes", ORG_SCOPES),
        ("okta", "scopes: [read, okta.a]", "scopes", ORG_SCOPES),
        ("okta", "scopes: [okta.myAccount.read.self]", "scopes", "Okta refuses .self scopes with client_credentials"),
        (
            "custom",
            "scopes: [read, okta.a]",
            "scopes",
            "a custom authorization server does not grant okta.… scopes; Okta's org",
        ),
        (
            "entra",
            "scopes: []",
            "scopes",
            "Microsoft Entra ID takes exactly one scope, RESOURCE/.default; write for example",
        ),
        (
            "entra",
            "scopes: [a/.default, b/.default]",
            "scopes",
            "Microsoft Entra ID takes exactly one scope, RESOURCE/.default",
        ),
        ("entra", "scopes: [User.Read]", "scopes", "Microsoft Entra ID takes exactly one scope, RESOURCE/.default"),
        (
            "auth0",
            "scopes: [a]",
            "audience",
            "Auth0 has to be told which API the token is for; write the API's identifier",
        ),
        ("smart", "scopes: []", "scopes", "SMART backend services grant named scopes only; write for example"),
        (
            "smart",
            "scopes: [system/a.r], grant: jwt_bearer",
            "grant",
            "SMART backend services know client_credentials only; leave it out",
        ),
        (
            "entra",
            "scopes: [a/.default], grant: jwt_bearer",
            "grant",
            "Microsoft Entra ID takes jwt_bearer for tokens of signed-in users only (on-behalf-of); leave it out",
        ),
        (
            "google",
            "scopes: []",
            "scopes",
            "Google grants named scopes only; write for example [https://www.googleapis",
        ),
        (
            "google",
            "scopes: [a], grant: client_credentials",
            "grant",
            "Google takes assertions as jwt_bearer only; leave it out",
        ),
        (
            "google",
            "scopes: [a], jwt_bearer: {scope_in: form}",
            "jwt_bearer.scope_in",
            "Google reads scopes in the assertion only; leave it out",
        ),
        (
            "salesforce",
            "scopes: [api]",
            "jwt_bearer.subject",
            "Salesforce has to be told as whom; write the user's name, like reports@example.com",
        ),
        (
            "salesforce",
            "scopes: [api], jwt_bearer: {subject: a, scope_in: assertion}",
            "jwt_bearer.scope_in",
            "Salesforce reads no scopes in an assertion; leave it out",
        ),
        (
            "maskinporten",
            "scopes: [a], grant: client_credentials",
            "grant",
            "Maskinporten takes assertions as jwt_bearer only; leave it out",
        ),
        (
            "maskinporten",
            "scopes: [a], jwt_bearer: {subject: a}",
            "jwt_bearer.subject",
            "Maskinporten refuses an assertion with a claim that it does not know, and sub is one; take it out",
        ),
        ("maskinporten", "scopes: []", "scopes", "Maskinporten grants named scopes only; write for example"),
        (
            "id-porten",
            "scopes: [a], jwt_bearer: {scope_in: form}",
            "jwt_bearer.scope_in",
            "ID-porten reads scopes in the assertion only; leave it out",
        ),
        (
            "docusign",
            "scopes: []",
            "scopes",
            "DocuSign grants named scopes only; write for example [signature, imperson",
        ),
        (
            "zitadel",
            "scopes: [a], grant: client_credentials",
            "grant",
            "Zitadel takes a secret only for client_credentials; leave it out",
        ),
        (
            "zitadel",
            "scopes: [a], jwt_bearer: {scope_in: assertion}",
            "jwt_bearer.scope_in",
            "Zitadel reads scopes as a form field only; leave it out",
        ),
    ],
)
def test_what_the_provider_refuses_of_a_token_is_an_error(
    server: str, token: str, key: str, said: str, tmp_path: Path
) -> None:
    (only,) = refused(tmp_path, text(server, token=token))
    assert only.startswith(f"tokens.default.{key}: {said}")


@pytest.mark.parametrize(
    ("server", "issuer", "said"),
    [
        ("okta", "https://acme-admin.okta.com", "this is the address of Okta's Admin Console; leave out -admin"),
        ("okta", "https://acme.okta.com/", "Okta's issuers are https://DOMAIN (the org authorization server) and"),
        (
            "okta",
            "https://acme.okta.com/oauth2/v1",
            "Okta's issuers are https://DOMAIN (the org authorization server) and",
        ),
        (
            "okta",
            "https://acme.okta.com/oauth2/default/",
            "Okta's issuers are https://DOMAIN (the org authorization server)",
        ),
        (
            "auth0",
            "https://acme.auth0.com",
            "Auth0's issuer ends with a slash, https://TENANT.auth0.com/, and is compared",
        ),
    ],
)
def test_an_issuer_of_another_form_is_an_error(server: str, issuer: str, said: str, tmp_path: Path) -> None:
    assert refused(tmp_path, text(server, issuer=issuer))[0].startswith(f"clients.one.issuer: {said}")


@pytest.mark.parametrize(
    ("issuer", "fits"),
    [
        ("https://maskinporten.no/", True),
        ("https://test.maskinporten.no/", True),
        ("https://test.sky.maskinporten.no", True),
        ("https://maskinporten.no", False),
        ("https://test.maskinporten.no", False),
        ("https://test.sky.maskinporten.no/", False),
        ("https://mock.example.com", True),
    ],
)
def test_maskinportens_issuers_have_a_slash_or_none(issuer: str, *, fits: bool, tmp_path: Path) -> None:
    content = text("maskinporten", issuer=issuer)
    if fits:
        assert load(tmp_path, content).issuer == issuer
    else:
        (only,) = refused(tmp_path, content)
        assert only.startswith(
            "clients.one.issuer: Maskinporten's issuers are https://maskinporten.no/ and https://test"
        )


def test_what_maskinporten_knows_may_be_claimed(tmp_path: Path) -> None:
    claims = "assertion: {claims: {consumer_org: '910753614', pid: '1', resource: [https://api.example.no/]}}"
    assert list(load(tmp_path, text("maskinporten", claims)).assertion.claims) == ["consumer_org", "pid", "resource"]


def test_self_scopes_are_refused_with_client_credentials_only(tmp_path: Path) -> None:
    token = "scopes: [okta.a.self], grant: jwt_bearer"
    assert whole(tmp_path, text("okta", token=token)).tokens["default"].scopes == ("okta.a.self",)


def test_a_credential_of_somebody_else_needs_no_certificate(tmp_path: Path) -> None:
    content = text("entra").replace("private_key: {file: key.pem, certificate_file: key.crt}", "assertion_file: token")
    assert load(tmp_path, content).assertion_file == str(tmp_path / "token")


@pytest.mark.parametrize(
    ("endpoint", "token", "fits"),
    [
        ("https://acme.okta.com/oauth2/v1/token", "scopes: [okta.users.read, ssf.manage]", True),
        ("https://acme.okta.com/oauth2/v1/token", "scopes: [read]", False),
        ("https://acme.okta.com/oauth2/default/v1/token", "scopes: [read]", True),
        ("https://acme.okta.com/oauth2/default/v1/token", "scopes: []", True),
        ("https://acme.okta.com/oauth2/default/v1/token", "scopes: [okta.users.read]", False),
        ("https://gateway.example.com/okta", "scopes: [read, okta.users.read]", True),
    ],
)
def test_oktas_two_kinds_of_server_are_told_apart_by_the_path(
    endpoint: str, token: str, *, fits: bool, tmp_path: Path
) -> None:
    content = text("okta", f"token_endpoint: {endpoint}", token)
    if fits:
        assert load(tmp_path, content).token_endpoint == endpoint
    else:
        assert len(refused(tmp_path, content)) == 1
