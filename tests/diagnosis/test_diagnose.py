"""Errors of every kind, and what anybody's server may answer."""

from typing import get_args

from hypothesis import example, given
from hypothesis import strategies as st

from broker.core.diagnosis import REASONS, Act
from broker.core.errors import (
    BrokerError,
    ConfigError,
    DiscoveryError,
    DiscoveryFault,
    KeyFileError,
    NetworkError,
    NetworkFault,
    RefusalError,
    ReplyError,
    ReplyFault,
    SecretFileError,
)
from broker.providers.diagnose import ROWS, STARTING, diagnose
from each_case import for_each

SENTENCES = [sentence for row in ROWS for sentence in row.says]
CODES = [code for row in ROWS for code in row.codes]

texts = (
    st.text() | st.text(alphabet=st.characters(min_codepoint=0, max_codepoint=0x10FFFF)) | st.sampled_from(SENTENCES)
)
refusals = st.builds(
    RefusalError,
    st.integers(100, 599) | st.integers(),
    texts | st.sampled_from(CODES),
    texts | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.none() | st.floats(0, 1e9),
)
errors = (
    refusals
    | st.builds(NetworkError, st.sampled_from(get_args(NetworkFault)), texts, texts)
    | st.builds(DiscoveryError, st.sampled_from(get_args(DiscoveryFault)), texts)
    | st.builds(ReplyError, st.sampled_from(get_args(ReplyFault)), texts)
    | st.builds(KeyFileError, texts)
    | st.builds(SecretFileError, texts)
    | st.builds(BrokerError, texts)
    | st.builds(ConfigError, st.lists(texts))
)


@given(errors)
@example(KeyFileError(""))
@example(KeyFileError("\u202e"))
def test_every_error_has_a_cause_and_a_fix_in_one_printable_line(error: BrokerError) -> None:
    diagnosis = diagnose(error)
    assert diagnosis.reason in REASONS
    assert diagnosis.cause
    assert diagnosis.fix
    assert f"{diagnosis.cause} {diagnosis.fix} {diagnosis.words}".isprintable()
    assert len(diagnosis.words) <= 256
    assert len(diagnosis.cause) <= 600


@given(errors)
def test_the_same_error_has_the_same_diagnosis(error: BrokerError) -> None:
    assert diagnose(error) == diagnose(error)


@given(refusals)
def test_the_wait_that_the_server_asked_for_is_passed_on(refusal: RefusalError) -> None:
    assert diagnose(refusal).wait == refusal.retry_after


@given(texts | st.sampled_from(CODES), texts)
def test_429_is_a_limit_in_any_shape(error: str, description: str) -> None:
    diagnosis = diagnose(RefusalError(429, error, description, 30.0))
    assert (diagnosis.reason, diagnosis.act, diagnosis.wait) == ("rate_limited", Act.LIMIT, 30.0)


@given(st.integers(500, 599), st.sampled_from(["", "invalid_client", "boom", "E0000009"]))
def test_a_failing_server_is_not_taken_for_a_refusal(status: int, error: str) -> None:
    diagnosis = diagnose(RefusalError(status, error, "Bad Gateway", 7.0))
    assert (diagnosis.reason, diagnosis.act, diagnosis.wait) == ("server_error", Act.SERVER, 7.0)
    assert str(status) in diagnosis.cause


@for_each(
    ("status", "error", "description", "reason", "act"),
    [
        (401, "invalid_client", "client authentication failed", "client_refused", Act.OPERATOR),
        (400, "invalid_client", "", "client_refused", Act.OPERATOR),
        (401, "Invalid_Client", "Invalid client or Invalid client credentials", "client_refused", Act.OPERATOR),
        (401, "unauthorized_client", "Invalid client or Invalid client credentials", "client_refused", Act.OPERATOR),
        (401, "", "", "client_refused", Act.SERVER),
        (403, "", "", "client_refused", Act.SERVER),
        (401, "Unauthorized", "", "client_refused", Act.OPERATOR),
        (400, "invalid_request", "missing required parameter 'grant_type'", "request_refused", Act.OPERATOR),
        (400, "invalid_grant", "", "grant_refused", Act.OPERATOR),
        (400, "unauthorized_client", "", "grant_refused", Act.OPERATOR),
        (400, "unsupported_grant_type", "", "grant_refused", Act.OPERATOR),
        (400, "invalid_scope", "scope contains invalid characters", "scope_refused", Act.OPERATOR),
        (400, "invalid_target", "resource indicator is missing, or unknown", "target_refused", Act.OPERATOR),
        (400, "access_denied", "", "policy_refused", Act.OPERATOR),
        (400, "invalid_grant", "grant request is invalid", "dpop_required", Act.OPERATOR),
        (400, "invalid_request", "DPoP proof is missing", "dpop_required", Act.OPERATOR),
        (400, "use_dpop_nonce", "nonce is required in the DPoP proof", "dpop_required", Act.REBUILD),
        (400, "invalid_dpop_proof", "DPoP proof htu mismatch", "dpop_refused", Act.OPERATOR),
        (400, "slow_down", "", "rate_limited", Act.LIMIT),
        (400, "temporarily_unavailable", "", "server_error", Act.SERVER),
        (404, "", "", "wrong_server", Act.SERVER),
        (404, "E0000007", "Not found: Resource not found: default (AuthorizationServer)", "wrong_server", Act.OPERATOR),
        (405, "", "Method Not Allowed", "wrong_server", Act.SERVER),
        (407, "", "", "proxy_failed", Act.SERVER),
        (408, "", "", "timeout", Act.SERVER),
        (302, "", "", "redirected", Act.SERVER),
        (200, "oops", "", "bad_answer", Act.OPERATOR),
        (200, "invalid_scope", "", "scope_refused", Act.OPERATOR),
        (400, "", "", "unknown", Act.SERVER),
        (400, "scope_invalid", "", "unknown", Act.OPERATOR),
        (999, "", "", "unknown", Act.SERVER),
    ],
)
def test_other_servers_are_understood_by_code_and_status(
    status: int, error: str, description: str, reason: str, act: Act
) -> None:
    diagnosis = diagnose(RefusalError(status, error, description))
    assert (diagnosis.reason, diagnosis.act) == (reason, act)


@for_each(
    ("fault", "reason"),
    [
        ("dns", "dns_failed"),
        ("connect", "connect_failed"),
        ("timeout", "timeout"),
        ("tls", "tls_failed"),
        ("proxy", "proxy_failed"),
        ("disconnected", "connection_lost"),
    ],
)
def test_the_network_is_retried_and_the_host_is_named(fault: NetworkFault, reason: str) -> None:
    diagnosis = diagnose(NetworkError(fault, "acme.okta.com:443", "Name or service not known"))
    assert (diagnosis.reason, diagnosis.act) == (reason, Act.SERVER)
    assert "acme.okta.com:443" in diagnosis.cause
    assert diagnosis.words == "Name or service not known"


def test_a_broken_ca_file_is_for_the_operator_and_named() -> None:
    diagnosis = diagnose(NetworkError("ca_file", "/etc/ca.pem", "ca_file /etc/ca.pem cannot be read: No such file"))
    assert (diagnosis.reason, diagnosis.act) == ("ca_file", Act.OPERATOR)
    assert "/etc/ca.pem" in diagnosis.cause


@for_each(
    ("fault", "reason", "act"),
    [
        ("not_found", "discovery_failed", Act.SERVER),
        ("not_json", "discovery_failed", Act.SERVER),
        ("issuer_mismatch", "issuer_mismatch", Act.OPERATOR),
        ("no_token_endpoint", "discovery_failed", Act.OPERATOR),
        ("foreign_host", "token_endpoint_moved", Act.OPERATOR),
        ("moved", "token_endpoint_moved", Act.OPERATOR),
        ("insecure", "discovery_failed", Act.OPERATOR),
    ],
)
def test_metadata_faults_show_what_was_found(fault: DiscoveryFault, reason: str, act: Act) -> None:
    diagnosis = diagnose(DiscoveryError(fault, "https://acme.okta.com names the issuer 'https://evil.example'"))
    assert (diagnosis.reason, diagnosis.act) == (reason, act)
    assert "https://evil.example" in diagnosis.words


@for_each(
    ("fault", "reason", "act"),
    [
        ("too_big", "bad_answer", Act.SERVER),
        ("not_json", "bad_answer", Act.SERVER),
        ("redirect", "redirected", Act.SERVER),
        ("access_token", "bad_answer", Act.SERVER),
        ("token_characters", "bad_answer", Act.OPERATOR),
        ("token_type", "bad_answer", Act.OPERATOR),
        ("dpop", "dpop_required", Act.OPERATOR),
        ("expires_in", "bad_answer", Act.OPERATOR),
        ("expired", "bad_answer", Act.SERVER),
    ],
)
def test_a_useless_success_says_what_is_wrong_with_it(fault: ReplyFault, reason: str, act: Act) -> None:
    diagnosis = diagnose(ReplyError(fault, "the answer is odd"))
    assert (diagnosis.reason, diagnosis.act, diagnosis.words) == (reason, act, "the answer is odd")


def test_a_dpop_token_leads_to_the_setting_that_asks_for_it() -> None:
    fix = diagnose(ReplyError("dpop", "")).fix
    assert fix.startswith('Set clients.<name>.dpop to true, or clear "Require DPoP" in the application\'s settings')


def test_a_redirect_is_shown_without_its_query() -> None:
    diagnosis = diagnose(
        ReplyError("redirect", "answered 302 to https://login.example/start?code=4711&state=x#frag end")
    )
    assert diagnosis.words == "answered 302 to https://login.example/start end"


def test_the_sentence_about_a_key_file_is_the_cause() -> None:
    message = "/var/run/secrets/token-broker/private-key.jwk cannot be read: Permission denied"
    diagnosis = diagnose(KeyFileError(message))
    assert (diagnosis.reason, diagnosis.act, diagnosis.cause) == ("key_file", Act.KEY, message)
    assert not diagnosis.words


def test_the_sentence_about_another_file_is_the_cause() -> None:
    diagnosis = diagnose(SecretFileError("/run/params must hold one JSON object"))
    assert (diagnosis.reason, diagnosis.act) == ("secret_file", Act.OPERATOR)
    assert diagnosis.cause == "/run/params must hold one JSON object"


def test_an_unforeseen_error_is_unknown_and_keeps_its_words() -> None:
    diagnosis = diagnose(BrokerError("something new"))
    assert (diagnosis.reason, diagnosis.words) == ("unknown", "something new")


def test_names_are_filled_into_the_steps_too() -> None:
    sentence = "Client Credentials requests to the Org Authorization Server must use the private_key_jwt"
    said = RefusalError(401, "invalid_client", f"{sentence} token_endpoint_auth_method.")
    diagnosis = diagnose(said).named(client="okta", token="users-api")
    assert "`token-broker jwks --client okta`" in diagnosis.fix
    assert any("`token-broker jwks --client okta`" in step for step in diagnosis.steps)


def test_before_the_first_attempt_has_ended_the_broker_is_starting() -> None:
    assert STARTING.reason == "starting"
