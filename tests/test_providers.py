"""What each provider is told and what it refuses, as configuration errors with the provider's reason."""

import re
from pathlib import Path
from typing import get_args

import pytest

from broker.config import resolve
from broker.durations import Duration
from broker.errors import ConfigError
from broker.providers import PRESETS, Key
from broker.settings import ALGORITHMS, ClientSettings

ISSUERS = {
    "okta": "https://acme.okta.com",
    "custom": "https://acme.okta.com/oauth2/default",
    "auth0": "https://acme.eu.auth0.com/",
    "entra": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
}
TOKENS = {
    "okta": "scopes: [okta.users.read]",
    "custom": "scopes: [orders.read]",
    "entra": "scopes: [https://graph.microsoft.com/.default]",
    "auth0": "audience: https://orders.example.com/",
    "smart": "scopes: [system/Patient.rs]",
}


def text(server: str, client: str = "", token: str | None = None, issuer: str | None = None) -> str:
    issuer = f"issuer: {issuer or ISSUERS.get(server, 'https://idp.example.com')}"
    lines = [
        "clients:",
        "  one:",
        f"    provider: {'okta' if server == 'custom' else server}",
        f"    {client if client.startswith('token_endpoint') else issuer}",
        "    client_id: a",
        "    private_key: {file: key.pem}" if "private_key" not in client else "",
        "" if client.startswith("token_endpoint") else f"    {client}",
        "tokens:",
        "  default:",
        f"    {TOKENS.get(server, 'scopes: []') if token is None else token}",
    ]
    return "\n".join(line for line in lines if line.strip())


def load(folder: Path, content: str) -> ClientSettings:
    path = folder / "config.yaml"
    path.write_text(content)
    return resolve.load(str(path), {}).clients["one"]


def refused(folder: Path, content: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load(folder, content)
    return [line.removeprefix(f"{folder}/config.yaml:").partition(": ")[2] for line in raised.value.complaints]


OKTA_ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")


@pytest.mark.parametrize(
    ("server", "audience", "algorithms", "typ"),
    [
        ("okta", "token_endpoint", OKTA_ALGORITHMS, "JWT"),
        ("custom", "token_endpoint", OKTA_ALGORITHMS, "JWT"),
        ("entra", "token_endpoint", ("PS256", "RS256"), "JWT"),
        ("keycloak", "issuer", (), "JWT"),
        ("auth0", "issuer", ("RS256", "RS384", "PS256"), "JWT"),
        ("smart", "token_endpoint", ("RS384", "ES384"), "JWT"),
        ("pingone", "token_endpoint", OKTA_ALGORITHMS, "JWT"),
        ("ory-hydra", "token_endpoint", (), "JWT"),
        ("duende", "issuer", ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512"), "JWT"),
        ("openiddict", "issuer", (), "client-authentication+jwt"),
    ],
)
def test_a_preset_says_what_the_provider_wants(
    server: str, audience: str, algorithms: tuple[str, ...], typ: str, tmp_path: Path
) -> None:
    client = load(tmp_path, text(server))
    assert (client.assertion.audience, client.algorithms, client.assertion.typ) == (audience, algorithms, typ)
    assert client.assertion.lifetime == Duration(60)
    assert client.send_client_id is (server == "entra")


@pytest.mark.parametrize(
    ("server", "client", "said"),
    [
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
            "private_key: {file: a, algorithm: ES256}",
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
    assert only.endswith(f": {said}")


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


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_sound(name: str) -> None:
    preset = PRESETS[name]
    algorithms = preset.client.get("algorithms", [])
    assert preset.client.keys() <= set(ClientSettings.__struct_fields__)
    assert set(algorithms) <= set(ALGORITHMS)
    assert len(set(algorithms)) == len(algorithms)
    assert preset.max_lifetime is None or preset.max_lifetime >= 60
    for rule in preset.rules:
        assert rule.key in get_args(Key)
        assert [re.compile(pattern).pattern for pattern in (rule.pattern, rule.path)] == [rule.pattern, rule.path]
        assert not rule.reason.endswith(".")
