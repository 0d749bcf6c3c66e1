"""Every complaint there is, word for word, with its line and place: complaints.txt says which slip gets which."""

from pathlib import Path

import pytest

from broker.core.settings import Assertion
from configurations import GENERIC, OKTA, Complaints, Load, spoilt
from each_case import for_each

MANY = 1001


def slips() -> list[tuple[str, str, str]]:
    """What is taken from a right configuration, what is put there, and what is said."""
    found = []
    for block in Path(__file__).with_name("complaints.txt").read_text(encoding="utf-8").split("\n\n"):
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        old, new, said = ([line[2:] for line in lines if line[0] == mark] for mark in "-+ ")
        if lines:
            found.append(("\n".join(old), "\n".join(new), " ".join(line.strip() for line in said)))
    return found


@for_each(("old", "new", "said"), slips())
def test_a_slip_is_told_with_its_line_and_the_way_out(old: str, new: str, said: str, complaints: Complaints) -> None:
    assert complaints(spoilt(OKTA, old, new)) == [f"config.yaml:{said}"]


def test_everything_is_told_at_once_and_in_order(complaints: Complaints) -> None:
    text = spoilt(spoilt(spoilt(OKTA, "listen:", "listens:"), "0oa1b2c3d4", "''"), "[okta.users.read]", "[read]")
    assert complaints(text) == [
        "config.yaml:2: api.listens: unknown key 'listens', did you mean 'listen'?",
        "config.yaml:7: clients.okta.client_id: is empty; leave the key out, or write a value",
    ]
    assert len(complaints(spoilt(text, "''", "0oa1b2c3d4"))) == 2
    broken = spoilt(spoilt(OKTA, "60s", "60"), "[okta.users.read]", "[read]")
    assert [line.split(":")[1] for line in complaints(broken)] == ["9", "13"]


def test_a_very_long_value_is_not_repeated(complaints: Complaints) -> None:
    assert complaints(spoilt(OKTA, "0oa1b2c3d4", "a" * 9000)) == [
        "config.yaml:7: clients.okta.client_id: is longer than 8192 characters"
    ]
    assert len(complaints(spoilt(OKTA, "okta.users.read", f'"{"x" * 900} y"'))[0]) < 300


@pytest.mark.parametrize("text", ["", "clients:\ntokens:\n", "{}", "api: {}\n"])
def test_a_file_without_clients_and_tokens_says_what_there_must_be(text: str, complaints: Complaints) -> None:
    assert complaints(text) == [
        "config.yaml: 'clients' is missing: there must be one at least, with issuer, client_id and private_key",
        "config.yaml: 'tokens' is missing: there must be one at least, for example 'default: {scopes: [read]}'",
    ]


def test_clients_and_tokens_that_are_none_are_told(complaints: Complaints) -> None:
    assert complaints("clients: {}\ntokens: [a]\n") == [
        "config.yaml:1: clients: is empty; it must hold one entry at least",
        "config.yaml:2: tokens: must hold keys, not a list",
    ]
    assert complaints("clients: [a]\ntokens: {a: [b]}\n") == [
        "config.yaml:1: clients: must hold keys, not a list",
        "config.yaml:2: tokens.a: must hold keys (client, grant, jwt_bearer, …), not a list",
    ]


def test_a_token_names_its_client_when_there_are_several(complaints: Complaints) -> None:
    second = "clients:\n  two: {provider: okta, issuer: 'https://b.okta.com', client_id: b, private_key: {file: b}}\n"
    (only,) = complaints(spoilt(OKTA, "clients:\n", second))
    place = "config.yaml:13: tokens.users-api"
    assert only == f"{place}: 'client' is missing; it may be left out only when there is exactly one client"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [("    assertion: {audience: token_endpoint}\n", "", 2), ("{audience: token_endpoint}", "{lifetime: 60s}", 6)],
)
def test_a_generic_client_says_its_audience(old: str, new: str, line: int, complaints: Complaints) -> None:
    (only,) = complaints(spoilt(GENERIC, old, new))
    what = "servers differ; write token_endpoint, issuer or a literal, or a provider"
    assert only == f"config.yaml:{line}: clients.one.assertion: 'audience' is missing: {what}"


def test_the_audience_cannot_be_an_issuer_that_is_not_there(complaints: Complaints) -> None:
    (only,) = complaints(spoilt(GENERIC, "audience: token_endpoint", "audience: issuer"))
    what = "is to be the issuer, and there is none; write issuer beside token_endpoint"
    assert only == f"config.yaml:6: clients.one.assertion.audience: {what}"


def test_an_assertion_lives_a_day_at_most_wherever_it_goes(complaints: Complaints) -> None:
    (only,) = complaints(spoilt(GENERIC, "audience: token_endpoint", "audience: token_endpoint, lifetime: 25h"))
    what = "an assertion is sent at once; it may live 24h at most, not 25h"
    assert only == f"config.yaml:6: clients.one.assertion.lifetime: {what}"


def test_a_generic_clients_assertion_file_needs_no_audience_and_takes_none(complaints: Complaints, load: Load) -> None:
    text = spoilt(GENERIC, "private_key: {file: key.pem}", "assertion_file: token")
    bare = load(spoilt(text, "    assertion: {audience: token_endpoint}\n", "")).clients["one"]
    assert bare.assertion == Assertion(audience="token_endpoint")
    (only,) = complaints(spoilt(text, "audience: token_endpoint", "audience: https://idp.example.com"))
    assert only.startswith("config.yaml:6: clients.one.assertion.audience: is for an assertion that the broker makes")


@pytest.mark.parametrize(
    ("said", "key"), [("issuer: a", "issuer"), ("subject: a", "subject"), ("scope_in: assertion", "scope_in")]
)
def test_nothing_can_be_said_in_an_assertion_of_somebody_else(said: str, key: str, complaints: Complaints) -> None:
    text = spoilt(GENERIC, "private_key: {file: key.pem}", "assertion_file: token")
    (only,) = complaints(spoilt(text, "scopes: [read]", f"scopes: [read]\n    jwt_bearer: {{{said}}}"))
    what = "cannot be said: the assertion comes from the client's assertion_file; say it where that is made"
    assert only == f"config.yaml:10: tokens.reports.jwt_bearer.{key}: {what}"


def test_the_scope_claim_is_said_once(complaints: Complaints, load: Load) -> None:
    text = spoilt(GENERIC, "audience: token_endpoint", "audience: token_endpoint, claims: {scope: read}")
    claimed = spoilt(text, "scopes: [read]", "scopes: [read]\n    jwt_bearer: {scope_in: assertion}")
    (only,) = complaints(claimed)
    what = "is said by the broker itself, from tokens.reports.scopes; take it out"
    assert only == f"config.yaml:6: clients.one.assertion.claims.scope: {what}"
    assert load(spoilt(claimed, "    scopes: [read]\n", "")).tokens["reports"].grant == "jwt_bearer"
    assert load(text).clients["one"].assertion.claims == {"scope": "read"}


def test_a_file_holds_no_dpop_token(complaints: Complaints) -> None:
    text = spoilt(OKTA, "{timeout: 10s}", "{timeout: 10s}\n    dpop: true")
    (only,) = complaints(spoilt(text, "{ahead: auto}", "{ahead: auto}\n    sinks: [{path: /a, format: raw}]"))
    assert only == (
        "config.yaml:16: tokens.users-api.sinks[0]: holds no proofs, and a DPoP token is worth nothing without one for"
        " each request; take it out, and have the workload ask POST /v1/tokens/users-api/proof"
    )


@pytest.mark.parametrize(
    ("credential", "key"),
    [
        ("private_key: {file: key.pem, certificate_file: /a}", "clients.one.private_keys[0].certificate_file"),
        ("assertion_file: /a", "clients.one.assertion_file"),
    ],
)
def test_a_sink_is_no_file_that_proves_who_the_client_is(credential: str, key: str, complaints: Complaints) -> None:
    text = spoilt(spoilt(GENERIC, "private_key: {file: key.pem}", credential), "{audience: token_endpoint}", "{}")
    if "private_key" in credential:
        text = spoilt(text, "{}", "{audience: token_endpoint}")
    (only,) = complaints(spoilt(text, "scopes: [read]", "sinks: [{path: /a}]"))
    assert only == f"config.yaml:9: tokens.reports.sinks[0].path: would be written over: it is {key} too"


@pytest.mark.parametrize("provider", ["okta", "keycloak"])
def test_who_wants_proofs_says_for_which_apis_unless_they_are_oktas_own(provider: str, complaints: Complaints) -> None:
    text = spoilt(OKTA, "https://acme.okta.com", "https://acme.okta.com/oauth2/default\n    dpop: true")
    text = spoilt(spoilt(text, "provider: okta", f"provider: {provider}"), "okta.users.read", "read")
    (only,) = complaints(text)
    assert only.startswith("config.yaml:7: clients.okta.dpop.targets: is missing: a workload asks for a proof for each")


def test_a_slip_in_the_common_http_is_told_once(complaints: Complaints) -> None:
    second = spoilt(GENERIC, "clients:\n", "http: {timeout: 5, timeouts: 1s}\nclients:\n")
    second = spoilt(
        second,
        "tokens:",
        "  two: {issuer: 'https://a', client_id: a, private_key: {file: a}, assertion: {audience: a}}\ntokens:",
    )
    second = spoilt(second, "    scopes", "    client: one\n    scopes")
    assert complaints(second) == [
        "config.yaml:1: http.timeouts: unknown key 'timeouts', did you mean 'timeout'?",
        "config.yaml:1: http.timeout: 5 has no unit; write 5s if seconds are meant",
    ]


def test_one_broker_keeps_a_thousand_tokens(complaints: Complaints) -> None:
    tokens = "".join(f"  t{number}: {{}}\n" for number in range(MANY))
    assert complaints(GENERIC.partition("tokens:")[0] + "tokens:\n" + tokens) == [
        "config.yaml:7: tokens: there are 1001; one broker keeps 1000 at most"
    ]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("{timeout: 10s}", "{proxy: 'http://u:S3CRET@proxy:1/'}"),
        ("{timeout: 10s}", "{proxy: 'u:S3CRET@proxy:1'}"),
        ("https://acme.okta.com", "https://u:S3CRET@acme.okta.com"),
        ("{file: key.jwk}", "|\n      -----BEGIN S3CRET-----"),
        ("{lifetime: 60s}", "{claims: {iss: S3CRET}}"),
        ("scopes:", "parameters: {client_secret: S3CRET}\n    scopes:"),
        ("0oa1b2c3d4", "[S3CRET]"),
    ],
)
def test_what_may_be_a_secret_is_never_repeated(old: str, new: str, complaints: Complaints) -> None:
    assert "S3CRET" not in "\n".join(complaints(spoilt(OKTA, old, new)))
