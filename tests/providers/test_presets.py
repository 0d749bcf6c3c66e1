"""What each provider is told."""

import re
from pathlib import Path
from typing import Literal, get_args

import pytest

from broker.core.durations import Duration
from broker.core.settings import ALGORITHMS, ClientSettings, JwtBearer, TokenSettings
from broker.providers import PRESETS, Key
from each_case import for_each
from providers.written import load, text, whole

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
        ("ibm-verify", "issuer", ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), "JWT"),
        ("nhs", "token_endpoint", ("RS512",), "JWT"),
        ("google", "https://oauth2.googleapis.com/token", ("RS256",), "JWT"),
        ("salesforce", "https://login.salesforce.com", ("RS256",), "JWT"),
        ("maskinporten", "issuer", ("RS256", "RS384", "RS512"), "JWT"),
        ("id-porten", "issuer", ("RS256", "RS384", "RS512"), "JWT"),
        ("docusign", "account.docusign.com", ("RS256",), "JWT"),
        ("zitadel", "issuer", ("RS256",), "JWT"),
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
    ("server", "subject", "scope_in"),
    [
        ("google", None, "assertion"),
        ("salesforce", "reports@example.com", "form"),
        ("maskinporten", None, "assertion"),
        ("id-porten", None, "assertion"),
        ("docusign", None, "assertion"),
        ("zitadel", "a", "form"),
    ],
)
def test_a_preset_says_that_the_assertion_is_the_grant(
    server: str, subject: str | None, scope_in: Literal["assertion", "form"], tmp_path: Path
) -> None:
    token = whole(tmp_path, text(server)).tokens["default"]
    assert (token.grant, token.jwt_bearer) == ("jwt_bearer", JwtBearer(subject=subject, scope_in=scope_in))


@pytest.mark.parametrize("server", ["okta", "entra", "keycloak", "auth0", "smart", "ibm-verify", "nhs"])
def test_the_others_prove_who_the_client_is(server: str, tmp_path: Path) -> None:
    assert whole(tmp_path, text(server)).tokens["default"].grant == "client_credentials"


@pytest.mark.parametrize(("host", "sent"), [("account", "account"), ("account-d", "account-d"), ("proxy", "account")])
def test_docusigns_audience_is_the_name_of_its_host(host: str, sent: str, tmp_path: Path) -> None:
    client = load(tmp_path, text("docusign", f"token_endpoint: https://{host}.docusign.com/oauth/token"))
    assert client.assertion.audience == f"{sent}.docusign.com"


@for_each("name", PRESETS)
def test_a_preset_is_sound(name: str) -> None:
    preset = PRESETS[name]
    algorithms = preset.client.get("algorithms", [])
    assert preset.client.keys() <= set(ClientSettings.__struct_fields__)
    assert preset.token.keys() <= set(TokenSettings.__struct_fields__)
    assert preset.token.get("jwt_bearer", {}).keys() <= set(JwtBearer.__struct_fields__)
    for host, partial in preset.elsewhere.items():
        assert re.compile(host).pattern == host
        assert partial.keys() <= preset.client.keys()
    assert set(algorithms) <= set(ALGORITHMS)
    assert len(set(algorithms)) == len(algorithms)
    assert preset.max_lifetime is None or preset.max_lifetime >= 60
    for rule in (*preset.rules, *preset.cautions):
        assert rule.key in get_args(Key)
        patterns = [rule.pattern, rule.path, rule.grant]
        assert [re.compile(pattern).pattern for pattern in patterns] == patterns
        assert not rule.reason.endswith(".")
