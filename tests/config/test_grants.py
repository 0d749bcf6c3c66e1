"""How a token is asked for: short forms, what a provider adds, and what goes before it."""

import pytest

from broker.config.rules import warnings
from broker.core.settings import Dpop, JwtBearer, TokenSettings
from configurations import GENERIC, OKTA, Load, spoilt

SALESFORCE = """\
clients:
  crm:
    provider: salesforce
    token_endpoint: https://login.salesforce.com/services/oauth2/token
    client_id: consumer
    private_key: {file: key.pem}
tokens:
  crm:
    jwt_bearer: {subject: reports@example.com}
    assume_lifetime: 1h
"""


def token(load: Load, *lines: str) -> TokenSettings:
    text = "".join(f"    {line}\n" for line in lines)
    return load(spoilt(GENERIC, "    scopes: [read]\n", text)).tokens["reports"]


def test_a_token_is_asked_for_with_client_credentials_when_nothing_is_said(load: Load) -> None:
    assert load(GENERIC).tokens["reports"].grant == "client_credentials"


@pytest.mark.parametrize(
    "lines",
    [
        ["grant: jwt_bearer", "jwt_bearer: {issuer: i, subject: s, scope_in: assertion}"],
        ["grant: {jwt_bearer: {issuer: i, subject: s, scope_in: assertion}}"],
        ["jwt_bearer: {issuer: i, subject: s, scope_in: assertion}"],
    ],
)
def test_the_jwt_bearer_grant_has_three_spellings(lines: list[str], load: Load) -> None:
    written = token(load, *lines)
    assert written.grant == "jwt_bearer"
    assert written.jwt_bearer == JwtBearer(issuer="i", subject="s", scope_in="assertion")


@pytest.mark.parametrize("line", ["grant: jwt_bearer", "grant: {jwt_bearer: }", "grant: {jwt_bearer: {}}"])
def test_nothing_need_be_said_in_the_jwt_bearer_grant(line: str, load: Load) -> None:
    written = token(load, line)
    assert (written.grant, written.jwt_bearer) == ("jwt_bearer", JwtBearer())


def test_a_jwt_bearer_that_is_null_asks_for_nothing(load: Load) -> None:
    assert token(load, "jwt_bearer: null").grant == "client_credentials"


def test_the_subject_may_be_the_client_itself(load: Load) -> None:
    assert token(load, "jwt_bearer: {subject: client_id}").jwt_bearer.subject == "reports"


def test_the_provider_says_how_a_token_is_asked_for(load: Load) -> None:
    written = load(SALESFORCE).tokens["crm"]
    assert written.grant == "jwt_bearer"
    assert written.jwt_bearer == JwtBearer(subject="reports@example.com")
    assert written.extra_fields == ("instance_url",)


def test_what_the_user_writes_of_a_token_goes_before_the_provider(load: Load) -> None:
    text = spoilt(SALESFORCE, "    assume_lifetime: 1h\n", "    extra_fields: [id]\n    assume_lifetime: 30m\n")
    assert load(text).tokens["crm"].extra_fields == ("id",)
    plain = spoilt(SALESFORCE, "jwt_bearer: {subject: reports@example.com}", "grant: client_credentials")
    assert load(plain).tokens["crm"].jwt_bearer == JwtBearer()


def test_the_provider_of_a_token_is_its_own_clients(load: Load) -> None:
    text = spoilt(SALESFORCE, "    jwt_bearer", "    client: crm\n    jwt_bearer")
    text = spoilt(text, "clients:\n", GENERIC.partition("tokens:")[0])
    tokens = load(text + "  reports: {client: one, scopes: [read]}\n").tokens
    assert (tokens["crm"].grant, tokens["reports"].grant) == ("jwt_bearer", "client_credentials")


@pytest.mark.parametrize(
    ("host", "audience"),
    [
        ("login.salesforce.com", "https://login.salesforce.com"),
        ("acme.my.salesforce.com", "https://login.salesforce.com"),
        ("test.salesforce.com", "https://test.salesforce.com"),
        ("acme--dev.sandbox.my.salesforce.com", "https://test.salesforce.com"),
    ],
)
def test_a_sandbox_of_salesforce_has_another_audience(host: str, audience: str, load: Load) -> None:
    client = load(spoilt(SALESFORCE, "https://login.salesforce.com", f"https://{host}")).clients["crm"]
    assert client.assertion.audience == audience


def test_what_is_written_goes_before_what_a_host_says(load: Load) -> None:
    text = spoilt(SALESFORCE, "https://login.", "https://test.")
    text = spoilt(text, "    private_key", "    assertion: {audience: https://site.example.com}\n    private_key")
    assert load(text).clients["crm"].assertion.audience == "https://site.example.com"


def test_a_lifetime_that_only_the_operator_knows_is_asked_for(load: Load) -> None:
    assert warnings(load(SALESFORCE)) == []
    (only,) = warnings(load(spoilt(SALESFORCE, "    assume_lifetime: 1h\n", "")))
    assert only == (
        "tokens.crm.assume_lifetime: Salesforce does not say how long a token lives, so 5m are assumed and new ones"
        " asked for often; write the session timeout of its app, or less"
    )


def dpop(load: Load, written: str, issuer: str = "https://acme.okta.com") -> Dpop | None:
    text = spoilt(OKTA, "https://acme.okta.com", issuer)
    return load(spoilt(text, "{timeout: 10s}", f"{{timeout: 10s}}\n    dpop: {written}")).clients["okta"].dpop


@pytest.mark.parametrize("written", ["false", "null"])
def test_tokens_are_not_bound_unless_that_is_asked_for(written: str, load: Load) -> None:
    assert dpop(load, written) is None
    assert load(OKTA).clients["okta"].dpop is None


@pytest.mark.parametrize(
    ("issuer", "target"),
    [
        ("https://acme.okta.com", "https://acme.okta.com"),
        ("https://ID.Acme.example:443", "https://id.acme.example"),
        ("http://localhost:8080", "http://localhost:8080"),
    ],
)
def test_oktas_proofs_are_for_its_own_origin(issuer: str, target: str, load: Load) -> None:
    assert dpop(load, "true", issuer) == Dpop(targets=(target,))


def test_an_endpoint_of_okta_tells_its_origin_too(load: Load) -> None:
    text = spoilt(OKTA, "issuer: https://acme.okta.com", "token_endpoint: https://acme.okta.com/oauth2/v1/token")
    client = load(spoilt(text, "{timeout: 10s}", "{timeout: 10s}\n    dpop: {algorithm: RS256}")).clients["okta"]
    assert client.dpop == Dpop(algorithm="RS256", targets=("https://acme.okta.com",))


def test_targets_that_are_written_are_all_there_are(load: Load) -> None:
    written = "{targets: ['https://api.example.com:8443', 'http://127.0.0.1:9000']}"
    assert dpop(load, written) == Dpop(targets=("https://api.example.com:8443", "http://127.0.0.1:9000"))


def test_bound_tokens_are_for_every_provider(load: Load) -> None:
    text = spoilt(GENERIC, "    client_id", "    dpop: {targets: ['https://api.example.com']}\n    client_id")
    assert load(text).clients["one"].dpop == Dpop(targets=("https://api.example.com",))
