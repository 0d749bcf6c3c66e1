import pytest

from configurations import OKTA, Complaints, Load, spoilt

SCOPES = "scopes: [okta.users.read]"


def test_a_variable_is_replaced_by_its_value(load: Load) -> None:
    text = spoilt(OKTA, "https://acme.okta.com", "https://${ORG}.${DOMAIN}")
    assert load(text, {"ORG": "acme", "DOMAIN": "okta.com"}).clients["okta"].issuer == "https://acme.okta.com"


def test_a_value_is_not_looked_at_again(load: Load) -> None:
    text = spoilt(OKTA, "0oa1b2c3d4", "${ID}")
    assert load(text, {"ID": "${HOME}$$"}).clients["okta"].client_id == "${HOME}$$"


def test_a_value_never_becomes_structure(load: Load, complaints: Complaints) -> None:
    text = spoilt(OKTA, "0oa1b2c3d4", "${ID}")
    assert load(text, {"ID": "a: [b]"}).clients["okta"].client_id == "a: [b]"
    assert load(text, {"ID": "true"}).clients["okta"].client_id == "true"
    assert complaints(spoilt(OKTA, "[localhost:7180]", "${LIST}"), {"LIST": "[a]"}) == [
        "config.yaml:2: api.listen: must be a list, like [a, b], not text"
    ]


def test_two_dollars_are_one(load: Load) -> None:
    text = spoilt(OKTA, SCOPES, f"{SCOPES}\n    parameters: {{price: $$5, twice: '$$$${{A}}'}}")
    assert load(text).tokens["users-api"].parameters == {"price": "$5", "twice": "$${A}"}


@pytest.mark.parametrize("text", ["$", "$a", "a$", "${", "${}", "${A", "${1}", "${A-b}", "$ {A}"])
def test_a_lone_dollar_is_an_error(text: str, complaints: Complaints) -> None:
    assert complaints(spoilt(OKTA, "0oa1b2c3d4", f"'{text}'"), {"A": "a"}) == [
        "config.yaml:7: clients.okta.client_id: a dollar sign begins ${VAR}; write $$ for a dollar"
    ]


@pytest.mark.parametrize(("environ", "state"), [({}, "not set"), ({"ID": ""}, "empty")])
def test_a_variable_has_to_be_there(environ: dict[str, str], state: str, complaints: Complaints) -> None:
    assert complaints(spoilt(OKTA, "0oa1b2c3d4", "${ID}"), environ) == [
        f"config.yaml:7: clients.okta.client_id: the environment variable ID is {state}"
    ]


@pytest.mark.parametrize(
    ("old", "new", "place", "file"),
    [
        (SCOPES, f"{SCOPES}\n    parameters: {{a: '${{S}}'}}", "14: tokens.users-api.parameters.a", "parameters_file"),
        ("{lifetime: 60s}", "{claims: {a: [b, '${S}']}}", "9: clients.okta.assertion.claims.a[1]", "claims_file"),
    ],
)
def test_a_variable_is_refused_where_a_secret_would_land(
    old: str, new: str, place: str, file: str, complaints: Complaints
) -> None:
    (only,) = complaints(spoilt(OKTA, old, new), {"S": "S3CRET"})
    why = "a variable is no place for a secret (child processes, docker inspect and crash reports show it)"
    assert only == (
        f"config.yaml:{place}: ${{S}} is not replaced here: {why}; put the value into a file and name that as {file}"
    )


def test_a_variable_cannot_smuggle_a_password_into_a_proxy(complaints: Complaints) -> None:
    text = spoilt(OKTA, "{timeout: 10s}", "{proxy: 'http://user:${PASSWORD}@proxy:3128'}")
    (only,) = complaints(text, {"PASSWORD": "S3CRET"})
    what = "holds a password; put that into a file and name it as proxy_password_file"
    assert only == f"config.yaml:10: clients.okta.http.proxy: {what}"


def test_several_faults_in_one_value_are_all_told(complaints: Complaints) -> None:
    text = spoilt(OKTA, "0oa1b2c3d4", "'${A} ${B} $'")
    assert [line.rpartition(": ")[2] for line in complaints(text)] == [
        "the environment variable A is not set",
        "the environment variable B is not set",
        "a dollar sign begins ${VAR}; write $$ for a dollar",
    ]
