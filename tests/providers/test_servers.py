"""The servers that examples are tried against are strict: each check refuses what it is there for."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from each_case import for_each
from key_forms import native, pem
from providers.authentications import ASSERTION, EXCHANGE, Asserting, Entra
from providers.grants import GOOGLE, GRANT, Digdir, DocuSign, Google, Salesforce, Zitadel
from providers.jwts import Refused, sign
from providers.servers import Asked, Judge, metadata_urls

NOW = int(time.time())
URL = "https://idp.example.com/token"
ISSUER = "https://idp.example.com/"
Change = Mapping[str, object]


def key(number: int) -> RSAKey:
    return RSAKey.import_key(pem(native("RSA", number)))


KEY, OTHER = key(1), key(2)
TIMES = {"iat": NOW, "exp": NOW + 60, "jti": "1"}


@dataclass(frozen=True)
class Case:
    """A judge, and a request that it grants: claims, header, further form fields, and as what the JWT is sent."""

    judge: Callable[[], Judge]
    claims: Change
    header: Change
    form: Mapping[str, str]
    field: str = "assertion"


CLIENT = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION}
CASES = {
    "google": Case(
        lambda: Google(URL, {"sa@acme": {"k": KEY}}, {("sa@acme", "admin@example.com")}),
        {"iss": "sa@acme", "aud": GOOGLE, "scope": "read", **TIMES},
        {"kid": "k"},
        {"grant_type": GRANT},
    ),
    "salesforce": Case(
        lambda: Salesforce(URL, "consumer", KEY, {"user"}),
        {"iss": "consumer", "sub": "user", "aud": "https://login.salesforce.com", **TIMES},
        {},
        {"grant_type": GRANT},
    ),
    "maskinporten": Case(
        lambda: Digdir(ISSUER, URL, "client", {"k": KEY}, {"acme:read"}, {"consumer_org", "resource"}),
        {"iss": "client", "aud": ISSUER, "scope": "acme:read", "resource": ["https://api"], **TIMES},
        {"kid": "k"},
        {"grant_type": GRANT},
    ),
    "docusign": Case(
        lambda: DocuSign(URL, "integration", [KEY], {"user"}),
        {"iss": "integration", "sub": "user", "aud": "account.docusign.com", "scope": "impersonation", **TIMES},
        {},
        {"grant_type": GRANT},
    ),
    "zitadel": Case(
        lambda: Zitadel(ISSUER, URL, {"1": {"k": KEY}}),
        {"iss": "1", "sub": "1", "aud": ISSUER, **TIMES},
        {"kid": "k"},
        {"grant_type": GRANT, "scope": "openid"},
    ),
    "entra": Case(
        lambda: Entra(URL, "app", certificates={"thumb": KEY}),
        {"iss": "app", "sub": "app", "aud": URL, **TIMES},
        {"algorithm": "PS256", "x5t_S256": "thumb"},
        {**CLIENT, "client_id": "app", "scope": "https://graph/.default"},
        "client_assertion",
    ),
    "entra-federated": Case(
        lambda: Entra(URL, "app", federated={("https://cluster", "system:serviceaccount:a:b"): KEY}),
        {"iss": "https://cluster", "sub": "system:serviceaccount:a:b", "aud": [EXCHANGE], **TIMES},
        {},
        {**CLIENT, "client_id": "app", "scope": "https://graph/.default"},
        "client_assertion",
    ),
    "usual": Case(
        lambda: Asserting(
            issuer=ISSUER,
            token_endpoint=URL,
            client_id="c",
            keys={"k": KEY},
            audience=ISSUER,
            typ="JWT",
            scopes={"read"},
            needs_scope=True,
            fields={"audience": "api"},
        ),
        {"iss": "c", "sub": "c", "aud": ISSUER, **TIMES},
        {"kid": "k"},
        {**CLIENT, "scope": "read", "audience": "api"},
        "client_assertion",
    ),
}


def asked(case: Case, *, claims: Change, header: Change, form: Change, signer: RSAKey = KEY) -> Asked:
    """The request with what is changed in it; None takes something out."""
    said = {name: value for name, value in {**case.claims, **claims}.items() if value is not None}
    named: dict[str, Any] = {**case.header, **header}
    fields = {**case.form, case.field: sign(signer, said, **named), **form}
    return Asked({name: str(value) for name, value in fields.items() if value is not None}, [], {}, NOW)


@for_each("name", CASES)
def test_a_right_request_is_granted(name: str) -> None:
    case = CASES[name]
    answer = case.judge().grant(asked(case, claims={}, header={}, form={}))
    assert answer["access_token"]
    assert ("expires_in" in answer) is (name != "salesforce")


SPOILT: list[tuple[str, Change, Change, Change]] = [
    *((name, {"iss": "stranger"}, {}, {}) for name in CASES),
    *((name, {"aud": "https://elsewhere"}, {}, {}) for name in CASES),
    *((name, {"exp": NOW - 1}, {}, {}) for name in CASES),
    *((name, {"exp": None}, {}, {}) for name in CASES),
    *((name, {}, {}, {"grant_type": "password"}) for name in CASES),
    *((name, {}, {}, {CASES[name].field: "a.b.c"}) for name in CASES),
    *((name, {"sub": "stranger"}, {}, {}) for name in CASES),
    *((name, {}, {"algorithm": "PS384"}, {}) for name in CASES),
    *((name, {}, {"kid": "other"}, {}) for name in ("google", "maskinporten", "zitadel", "usual")),
    *((name, {}, {"kid": None}, {}) for name in ("google", "maskinporten", "zitadel", "usual")),
    *((name, {}, {}, {"client_assertion": "a.b.c"}) for name in CASES if CASES[name].field == "assertion"),
    *((name, {}, {}, {"client_assertion_type": "x"}) for name in ("entra", "entra-federated", "usual")),
    *((name, {"scope": None}, {}, {}) for name in ("google", "maskinporten", "docusign")),
    ("google", {"exp": NOW + 3601}, {}, {}),
    ("google", {"iat": NOW + 5, "exp": NOW + 60}, {}, {}),
    ("google", {"scope": ""}, {}, {}),
    ("salesforce", {"exp": NOW + 181}, {}, {}),
    ("salesforce", {"aud": "https://test.salesforce.com"}, {}, {}),
    ("salesforce", {"sub": None}, {}, {}),
    ("maskinporten", {"exp": NOW + 121}, {}, {}),
    ("maskinporten", {"iat": NOW - 11}, {}, {}),
    ("maskinporten", {"aud": ISSUER.rstrip("/")}, {}, {}),
    ("maskinporten", {"aud": [ISSUER]}, {}, {}),
    ("maskinporten", {"scope": "acme:read acme:write"}, {}, {}),
    ("maskinporten", {"resource": "https://api"}, {}, {}),
    ("maskinporten", {"tenant": "acme"}, {}, {}),
    ("docusign", {"aud": "https://account.docusign.com"}, {}, {}),
    ("docusign", {"aud": "account-d.docusign.com"}, {}, {}),
    ("docusign", {"exp": NOW + 3601}, {}, {}),
    ("zitadel", {"iat": NOW - 3601}, {}, {}),
    ("zitadel", {"iat": NOW + 2}, {}, {}),
    ("zitadel", {}, {}, {"scope": None}),
    ("entra", {}, {"x5t_S256": "other"}, {}),
    ("entra", {}, {}, {"client_id": None}),
    ("entra", {}, {}, {"client_id": "other"}),
    ("entra", {}, {}, {"scope": "https://graph/.default https://other/.default"}),
    ("entra", {"nbf": NOW + 60}, {}, {}),
    ("usual", {"exp": NOW + 301}, {}, {}),
    ("usual", {"jti": None}, {}, {}),
    ("usual", {}, {"typ": "at+jwt"}, {}),
    ("usual", {}, {}, {"scope": None}),
    ("usual", {}, {}, {"scope": "write"}),
    ("usual", {}, {}, {"audience": None}),
    ("usual", {}, {}, {"client_id": "other"}),
]


@for_each(("name", "claims", "header", "form"), SPOILT)
def test_a_spoilt_request_is_refused(name: str, claims: Change, header: Change, form: Change) -> None:
    case = CASES[name]
    with pytest.raises(Refused):
        case.judge().grant(asked(case, claims=claims, header=header, form=form))


@for_each("name", CASES)
def test_the_signature_of_another_key_is_refused(name: str) -> None:
    case = CASES[name]
    with pytest.raises(Refused):
        case.judge().grant(asked(case, claims={}, header={}, form={}, signer=OTHER))


@pytest.mark.parametrize("name", ["maskinporten", "usual"])
def test_an_assertion_is_taken_once(name: str) -> None:
    judge, request = CASES[name].judge(), asked(CASES[name], claims={}, header={}, form={})
    judge.grant(request)
    with pytest.raises(Refused):
        judge.grant(request)


def test_google_lets_a_service_account_act_as_whom_it_was_told() -> None:
    case = CASES["google"]
    assert case.judge().grant(asked(case, claims={"sub": "admin@example.com"}, header={}, form={}))


def test_metadata_is_where_the_specifications_put_it() -> None:
    assert metadata_urls("https://a/") == (
        "https://a/.well-known/oauth-authorization-server",
        "https://a/.well-known/openid-configuration",
    )
    assert metadata_urls("https://a/b/c") == (
        "https://a/.well-known/oauth-authorization-server/b/c",
        "https://a/b/c/.well-known/openid-configuration",
    )
