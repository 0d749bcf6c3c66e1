"""Where the configuration comes from, and what may be left unsaid in it."""

from pathlib import Path

import pytest

from broker.config import resolve
from broker.config.rules import warnings
from broker.core.durations import Duration
from broker.core.errors import ConfigError
from broker.core.settings import Http, KeySettings
from configurations import GENERIC, OKTA, Complaints, Load, spoilt

FORM = {
    "TOKEN_BROKER_PROVIDER": "okta",
    "TOKEN_BROKER_ISSUER": "https://acme.okta.com",
    "TOKEN_BROKER_CLIENT_ID": "0oa1b2c3d4",
    "TOKEN_BROKER_KEY_FILE": "/keys/key.jwk",
    "TOKEN_BROKER_SCOPES": "okta.users.read okta.groups.read",
}


def said(path: str | None, environ: dict[str, str], default: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        resolve.read(path, environ, default)
    return list(raised.value.complaints)


@pytest.fixture
def nowhere(tmp_path: Path) -> str:
    return str(tmp_path / "nowhere.yaml")


def test_the_option_goes_before_the_variable_and_the_variable_before_the_default(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("option", "variable", "default")]
    for path in paths:
        Path(path).write_text(spoilt(OKTA, "0oa1b2c3d4", Path(path).name))
    option, variable, default = paths
    environ = {"TOKEN_BROKER_CONFIG": variable}
    assert resolve.read(option, environ, default).settings.clients["okta"].client_id == "option"
    assert resolve.read(None, environ, default).settings.clients["okta"].client_id == "variable"
    assert resolve.read(None, {}, default).settings.clients["okta"].client_id == "default"


def test_without_file_and_variables_both_ways_are_told(nowhere: str) -> None:
    (only,) = said(None, {"TOKEN_BROKER_PORT": "tcp://10.0.0.1:80"}, nowhere)
    assert only == (
        f"there is no configuration: write {nowhere}, name another file with --config or TOKEN_BROKER_CONFIG, or set"
        " variables instead: TOKEN_BROKER_ISSUER, TOKEN_BROKER_PROVIDER, TOKEN_BROKER_CLIENT_ID, TOKEN_BROKER_KEY_FILE,"
        " TOKEN_BROKER_KEY_ID, TOKEN_BROKER_SCOPES, TOKEN_BROKER_AUDIENCE"
    )


def test_variables_make_one_client_and_one_token(nowhere: str) -> None:
    configuration = resolve.read(None, FORM | {"TOKEN_BROKER_KEY_ID": "one", "TOKEN_BROKER_PORT": "x"}, nowhere)
    assert configuration.file is None
    assert list(configuration.settings.clients) == list(configuration.settings.tokens) == ["default"]
    client, token = configuration.settings.clients["default"], configuration.settings.tokens["default"]
    assert (client.provider, client.issuer, client.client_id) == ("okta", "https://acme.okta.com", "0oa1b2c3d4")
    assert client.private_keys == (KeySettings(file="/keys/key.jwk", kid="one"),)
    assert client.assertion.audience == "token_endpoint"
    assert token.client == "default"
    assert token.scopes == ("okta.users.read", "okta.groups.read")


def test_a_key_file_in_a_variable_is_relative_to_the_working_directory(
    nowhere: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = resolve.read(None, FORM | {"TOKEN_BROKER_KEY_FILE": "key.jwk"}, nowhere).settings
    assert settings.clients["default"].private_keys[0].file == str(tmp_path / "key.jwk")


def test_a_provider_that_everybody_reaches_by_one_address_needs_no_issuer(nowhere: str) -> None:
    environ = FORM | {"TOKEN_BROKER_PROVIDER": "google", "TOKEN_BROKER_ISSUER": "", "TOKEN_BROKER_CLIENT_ID": "a@b"}
    client = resolve.read(None, environ, nowhere).settings.clients["default"]
    assert (client.issuer, client.token_endpoint) == (None, "https://oauth2.googleapis.com/token")


def test_dollars_in_variables_are_dollars(nowhere: str) -> None:
    settings = resolve.read(None, FORM | {"TOKEN_BROKER_CLIENT_ID": "${A}$"}, nowhere).settings
    assert settings.clients["default"].client_id == "${A}$"


def test_a_file_and_variables_together_are_an_error(tmp_path: Path, nowhere: str) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(OKTA)
    environ = {"TOKEN_BROKER_ISSUER": "https://a", "TOKEN_BROKER_SCOPES": "b"}
    expected = "and TOKEN_BROKER_ISSUER, TOKEN_BROKER_SCOPES are both there; unset the variables or do without the file"
    assert said(str(path), environ, nowhere) == [f"{path} {expected}"]
    assert said(None, environ, str(path)) == [f"{path} {expected}"]
    assert resolve.read(str(path), {"TOKEN_BROKER_ISSUER": ""}, nowhere).settings.clients


def test_variables_that_are_not_there_are_named(nowhere: str) -> None:
    missing = "is not set, and there is no configuration file that would say it"
    assert said(None, {"TOKEN_BROKER_PROVIDER": "okta"}, nowhere) == [
        f"TOKEN_BROKER_ISSUER: {missing}",
        f"TOKEN_BROKER_CLIENT_ID: {missing}",
        f"TOKEN_BROKER_KEY_FILE: {missing}",
    ]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("ISSUER", "http://a", "is plain http, which can be read on the way; use https, or write allow_http: true"),
        ("PROVIDER", "otka", "there is no provider 'otka', did you mean 'okta'?"),
        ("PROVIDER", "", "assertion: 'audience' is missing: servers differ; write token_endpoint, issuer or a literal"),
        ("PROVIDER", "auth0", "Auth0's issuer ends with a slash"),
        ("SCOPES", "read", "Okta's org authorization server grants its own scopes only (okta.…)"),
        ("SCOPES", "a a", "'a' is written twice"),
        ("API_LISTEN", "localhost", "[0]: 'localhost' is not HOST:PORT, like localhost:7180 or [::1]:7180"),
        ("LOG_LEVEL", "loud", "'loud' is not one of debug, info, warning, error"),
        ("TOKENS", "other", "there is no token 'other'; there is default"),
    ],
)
def test_what_is_wrong_with_a_variable_is_told_by_its_name(name: str, value: str, complaint: str, nowhere: str) -> None:
    told = said(None, FORM | {f"TOKEN_BROKER_{name}": value}, nowhere)
    name = {"auth0": "ISSUER"}.get(value, name)
    assert told[0].startswith(f"TOKEN_BROKER_{name}: {complaint}")


def test_variables_go_over_the_file(load: Load) -> None:
    settings = load(
        OKTA,
        {
            "TOKEN_BROKER_API_LISTEN": "127.0.0.1:1, unix:/a",
            "TOKEN_BROKER_ADMIN_LISTEN": ":2",
            "TOKEN_BROKER_LOG_LEVEL": "debug",
            "TOKEN_BROKER_LOG_FORMAT": "json",
        },
    )
    assert settings.api.listen == ("127.0.0.1:1", "unix:/a")
    assert settings.admin.listen == (":2",)
    assert (settings.log.level, settings.log.format) == ("debug", "json")


def test_a_section_that_is_wrong_is_not_mended_by_a_variable(complaints: Complaints) -> None:
    assert complaints(f"log: loud\n{OKTA}", {"TOKEN_BROKER_LOG_LEVEL": "info"}) == [
        "config.yaml:1: log: must hold keys (format, level, audit, …), not text"
    ]


TWO = """\
clients:
  one: {provider: okta, issuer: 'https://a.okta.com', client_id: a, private_key: {file: a}}
  two: {provider: okta, issuer: 'https://b.okta.com', client_id: b, private_key: {file: b}}
tokens:
  first: {client: one, scopes: [okta.a]}
  second: {client: two, scopes: [okta.b]}
  third: {client: two, scopes: [okta.c]}
"""


def test_only_the_chosen_tokens_and_their_clients_are_kept(load: Load) -> None:
    settings = load(TWO, {"TOKEN_BROKER_TOKENS": " second ,third,"})
    assert list(settings.tokens) == ["second", "third"]
    assert list(settings.clients) == ["two"]


def test_an_unknown_chosen_token_is_an_error_beside_the_others(complaints: Complaints) -> None:
    assert complaints(spoilt(TWO, "okta.a]", "a]"), {"TOKEN_BROKER_TOKENS": "secnd,fourth"})[1:] == [
        "TOKEN_BROKER_TOKENS: there is no token 'secnd', did you mean 'second'?",
        "TOKEN_BROKER_TOKENS: there is no token 'fourth'; there is first, second, third",
    ]


def test_paths_are_relative_to_the_folder_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    key = "{file: keys/a.pem, kid_file: ../kid, passphrase_file: /p, certificate_file: a.crt}"
    text = spoilt(OKTA, "{file: key.jwk}", key)
    text = spoilt(text, "{lifetime: 60s}", "{claims_file: c.json}")
    text = spoilt(text, "{timeout: 10s}", "{proxy: 'http://u@p', proxy_password_file: p, ca_file: ca.pem}")
    path.write_text(
        spoilt(text, "    refresh", "    parameters: {upload_file: x}\n    parameters_file: s\n    refresh")
    )
    settings = resolve.load(str(path), {})
    client, token = settings.clients["okta"], settings.tokens["users-api"]
    assert client.private_keys == (
        KeySettings(
            file=f"{tmp_path}/keys/a.pem",
            kid_file=f"{tmp_path}/../kid",
            passphrase_file="/p",
            certificate_file=f"{tmp_path}/a.crt",
        ),
    )
    assert client.assertion.claims_file == f"{tmp_path}/c.json"
    assert (client.http.proxy_password_file, client.http.ca_file) == (f"{tmp_path}/p", f"{tmp_path}/ca.pem")
    assert token.parameters_file == f"{tmp_path}/s"
    assert token.parameters == {"upload_file": "x"}


def test_an_assertion_file_takes_the_place_of_keys(load: Load, tmp_path: Path) -> None:
    text = spoilt(OKTA, "private_key: {file: key.jwk}", "assertion_file: token\n    private_keys: null")
    client = load(text).clients["okta"]
    assert client.private_keys == ()
    assert client.assertion_file == str(tmp_path / "token")


def test_a_number_where_text_belongs_is_the_text_that_was_written(load: Load) -> None:
    text = spoilt(spoilt(OKTA, "0oa1b2c3d4", "1234567890"), "{file: key.jwk}", "{file: 1, kid: 1.10}")
    client = load(text).clients["okta"]
    assert (client.client_id, client.private_keys[0].kid) == ("1234567890", "1.10")


def test_claims_hold_whatever_json_holds(load: Load) -> None:
    claims = "{a: [1, 1.5, true, null, {b: on}], c: 2026-11-23}"
    settings = load(spoilt(OKTA, "{lifetime: 60s}", f"{{claims: {claims}}}"))
    assert settings.clients["okta"].assertion.claims == {"a": [1, 1.5, True, None, {"b": "on"}], "c": "2026-11-23"}


def test_what_is_null_is_as_if_it_were_not_written(load: Load) -> None:
    text = "api:\nlog: {level: null}\n" + spoilt(OKTA, "api:\n  listen: [localhost:7180]\n", "http: ~\n")
    text = spoilt(spoilt(text, "{lifetime: 60s}", "{lifetime: }"), "{ahead: auto}", "")
    assert load(text) == load(OKTA)


def test_a_token_may_be_a_name_and_nothing_else(load: Load) -> None:
    settings = load(spoilt(GENERIC, "  reports:\n    scopes: [read]\n", "  reports:\n"))
    assert settings.tokens["reports"].client == "one"


def test_the_common_http_lies_under_every_clients_own(load: Load) -> None:
    text = spoilt(TWO, "clients:\n", "http: {timeout: 20s, ca_file: /ca, proxy: none}\nclients:\n")
    text = spoilt(
        text, "private_key: {file: b}", "private_key: {file: b}, http: {timeout: 5s, ca_file: null, proxy: null}"
    )
    clients = load(text).clients
    assert clients["one"].http == Http(timeout=Duration(20), proxy="none", ca_file="/ca")
    assert clients["two"].http == Http(timeout=Duration(5))


def test_a_short_timeout_shortens_the_default_for_connecting(load: Load) -> None:
    assert load(spoilt(OKTA, "timeout: 10s", "timeout: 2s")).clients["okta"].http == Http(
        timeout=Duration(2), connect_timeout=Duration(2)
    )


def test_private_key_is_a_list_of_one(load: Load) -> None:
    several = spoilt(OKTA, "private_key: {file: key.jwk}", "private_keys: [{file: key.jwk}]")
    assert load(several) == load(OKTA)


def test_what_the_user_writes_goes_before_the_preset(load: Load) -> None:
    text = spoilt(
        OKTA, "{lifetime: 60s}", "{audience: 'https://acme.okta.com/oauth2/v1/token'}\n    algorithms: [ES256]"
    )
    client = load(text).clients["okta"]
    assert client.assertion.audience == "https://acme.okta.com/oauth2/v1/token"
    assert client.algorithms == ("ES256",)


def test_plain_http_is_permitted_with_a_word_and_warned_about(load: Load) -> None:
    text = spoilt(OKTA, "issuer: https://acme.okta.com", "issuer: http://acme.okta.com\n    allow_http: true")
    assert warnings(load(text)) == ["clients.okta.issuer: plain http; whoever is on the way can read and change tokens"]
    assert warnings(load(spoilt(OKTA, "https://acme.okta.com", "http://localhost:8080"))) == []


def test_what_is_unwise_is_warned_about(load: Load) -> None:
    text = spoilt(spoilt(TWO, "client: one", "client: two"), "clients:", "api: {require_header: false}\nclients:")
    assert warnings(load(text)) == [
        "api.require_header: off, so a server tricked into fetching a URL can be made to fetch tokens",
        "clients.one: no token uses this client",
    ]
