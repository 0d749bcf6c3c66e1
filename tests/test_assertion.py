import json
import subprocess
import sys
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt as jose_jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import import_key
from joserfc.jws import JWSRegistry

from broker.core.settings import RESERVED_CLAIMS
from broker.oauth.assertion import make_assertion
from each_case import for_each
from key_forms import ALGORITHMS, jwk, native, public_members, segments, verifies

KEY = import_key(jwk(native("P-256")))
URL = "https://acme.okta.com/oauth2/v1/token"


def an_assertion(**changed: object) -> str:
    said: dict[str, object] = {
        "issuer": "0oa1",
        "subject": "0oa1",
        "audience": URL,
        "algorithm": "ES256",
        "kid": "k1",
        "typ": "JWT",
        "lifetime": 60.0,
        "issued_at": 1_795_474_000.9,
        "claims": {},
    }
    return make_assertion(KEY, **(said | changed))  # type: ignore[arg-type] # each value is what its name wants


def test_it_says_what_rfc_7523_asks_for_and_nothing_else() -> None:
    header, claims = segments(an_assertion(jti="once"))
    assert header == {"alg": "ES256", "kid": "k1", "typ": "JWT"}
    assert claims == {
        "iss": "0oa1",
        "sub": "0oa1",
        "aud": URL,
        "iat": 1_795_474_000,
        "exp": 1_795_474_060,
        "jti": "once",
    }


def test_a_signature_verifies_with_the_public_half() -> None:
    assert verifies(public_members(native("P-256")), an_assertion())


def test_times_are_whole_seconds_and_the_lifetime_is_never_nothing() -> None:
    claims = segments(an_assertion(issued_at=12345.6, lifetime=0.5))[1]
    assert (claims["iat"], claims["exp"]) == (12345, 12346)
    assert type(claims["iat"]) is int


def test_who_grants_for_itself_names_no_subject() -> None:
    assert "sub" not in segments(an_assertion(subject=None))[1]


def test_who_grants_for_another_names_it() -> None:
    claims = segments(an_assertion(subject="alice@example.com"))[1]
    assert (claims["iss"], claims["sub"]) == ("0oa1", "alice@example.com")


def test_the_certificate_s_thumbprint_is_a_header() -> None:
    assert segments(an_assertion(x5t="abc", kid=None))[0] == {"alg": "ES256", "typ": "JWT", "x5t#S256": "abc"}


def test_no_kid_is_sent_where_there_is_none() -> None:
    assert "kid" not in segments(an_assertion(kid=None))[0]


def test_typ_is_the_providers_wish() -> None:
    assert segments(an_assertion(typ="client-authentication+jwt"))[0]["typ"] == "client-authentication+jwt"


def test_every_assertion_has_a_jti_of_its_own_though_the_claims_are_the_same_dict() -> None:
    claims: dict[str, object] = {"tenant": "a"}
    made = [segments(an_assertion(claims=claims))[1] for _ in range(50)]
    assert len({each["jti"] for each in made}) == 50
    assert min(len(each["jti"]) for each in made) >= 16
    assert claims == {"tenant": "a"}


@given(
    st.dictionaries(st.sampled_from(sorted(RESERVED_CLAIMS)) | st.text(max_size=5), st.integers() | st.text(max_size=5))
)
def test_further_claims_are_added_and_never_replace_ours(claims: dict[str, object]) -> None:
    said = segments(an_assertion(claims=claims, jti="once"))[1]
    ours = segments(an_assertion(jti="once"))[1]
    assert said == {name: value for name, value in claims.items() if name not in RESERVED_CLAIMS} | ours


@for_each("algorithm", ALGORITHMS)
def test_every_algorithm_signs_without_a_warning(algorithm: str) -> None:
    key = native(ALGORITHMS[algorithm])
    wrapped = import_key(jwk(key))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = make_assertion(
            wrapped,
            issuer="c",
            subject="c",
            audience=URL,
            algorithm=algorithm,
            kid=None,
            typ="JWT",
            lifetime=60,
            issued_at=1e9,
            claims={},
        )
    assert segments(made)[0]["alg"] == algorithm
    assert verifies(public_members(key), made)
    assert jose_jwt.decode(made, wrapped, algorithms=[algorithm]).claims["aud"] == URL


def test_other_warnings_of_joserfc_are_still_given() -> None:
    with pytest.warns(SecurityWarning, match="none"):
        JWSRegistry(algorithms=["none"]).get_alg("none")


def test_a_process_that_shows_every_warning_sees_none_for_eddsa() -> None:
    code = """
from joserfc.jwk import OKPKey
from broker.oauth.assertion import make_assertion
made = make_assertion(OKPKey.generate_key(), issuer="c", subject="c", audience="a", algorithm="EdDSA", kid=None,
                      typ="JWT", lifetime=60, issued_at=1e9, claims={})
print(made)
"""
    done = subprocess.run([sys.executable, "-W", "always", "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert segments(done.stdout.strip())[0]["alg"] == "EdDSA"


def test_the_claims_survive_json() -> None:
    claims = {"nested": {"a": [1, None, "ü"]}}
    assert segments(an_assertion(claims=claims))[1]["nested"] == json.loads(json.dumps(claims["nested"]))
