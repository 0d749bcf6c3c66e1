"""What is wrong with an assertion, in Okta's words: typed here once more, on purpose."""

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from broker.devserver import DevServer, verify
from broker.devserver.keysets import parse
from broker.devserver.received import FORM, read
from broker.devserver.texts import RefusedError
from devserver_client import JWT_BEARER, Asker, public

UNAUTHORIZED = (401, "invalid_client")
SECRET = (
    "Client Credentials requests to the Org Authorization Server must use the private_key_jwt "
    "token_endpoint_auth_method."
)
ALGORITHM = "The client_assertion JWT signature algorithm is invalid."
AUDIENCE = "The audience claim for client_assertion must be the endpoint invoked for the request."
EXP = "The client_assertion must contain the 'exp' claim as seconds since epoch."
EXPIRED = "The client_assertion token is expired."
TOO_FAR = "The client_assertion token has an expiration too far into the future."
FUTURE = "The client_assertion token must be issued before the current time."
USED = "The client_assertion token has already been used."
KID = "The client_assertion JWT kid is invalid."
PARSING = "The parsing of the client_assertion failed."
ISSUER = "The issuer claim for client_assertion is not a valid client_id."
SUBJECT = "The subject claim for client_assertion is not a valid client_id."


@pytest.fixture
def other() -> ECKey:
    return ECKey.generate_key("P-256", auto_kid=True)


@pytest.mark.parametrize(
    "assertion", ["", "a.b", "a.b.c", "not-a-jwt", "e30.e30.", "W10.W10.x", "ImFsZyI.e30.x", " a.b.c"]
)
async def test_an_assertion_that_cannot_be_parsed_is_refused(app: Asker, assertion: str) -> None:
    reply = await app.post(app.form("", client_assertion=assertion or " "))
    assert reply.said == (*UNAUTHORIZED, PARSING)


@pytest.mark.parametrize("payload", [b"[]", b"nonsense", b"[" * 100_000])
async def test_claims_that_are_no_object_are_a_parsing_failure(app: Asker, key: ECKey, payload: bytes) -> None:
    assertion = jws.serialize_compact({"alg": "ES256"}, payload, key)
    assert (await app.post(app.form(assertion))).said == (*UNAUTHORIZED, PARSING)


async def test_a_critical_header_that_is_not_understood_is_a_parsing_failure(app: Asker, key: ECKey) -> None:
    header = urlsafe_b64encode(b'{"alg":"ES256","crit":["strange"],"strange":1}')
    signed = header.rstrip(b"=") + b"." + app.assertion().split(".")[1].encode()
    signature = urlsafe_b64encode(jws.JWSRegistry.algorithms["ES256"].sign(signed, key)).rstrip(b"=")
    assert (await app.post(app.form(f"{signed.decode()}.{signature.decode()}"))).said == (*UNAUTHORIZED, PARSING)


@pytest.mark.parametrize("claim", [{"iat": "now"}, {"nbf": [1]}, {"jti": 7}])
async def test_claims_of_a_wrong_type_are_a_parsing_failure(app: Asker, claim: dict[str, object]) -> None:
    assert (await app.ask(**claim)).said == (*UNAUTHORIZED, PARSING)


@pytest.mark.parametrize("algorithm", ["PS256", "PS384", "PS512"])
async def test_pss_signatures_are_refused_by_algorithm(
    app: Asker, server: DevServer, rsa_key: RSAKey, algorithm: str
) -> None:
    server.register("app", public(rsa_key))
    app.key, app.algorithm = rsa_key, algorithm
    assert (await app.ask()).said == (*UNAUTHORIZED, ALGORITHM)


async def test_eddsa_is_refused_by_algorithm(app: Asker, server: DevServer) -> None:
    app.key, app.algorithm = OKPKey.generate_key("Ed25519", auto_kid=True), "Ed25519"
    server.register("app", public(app.key))
    assert (await app.ask()).said == (*UNAUTHORIZED, ALGORITHM)


async def test_a_shared_secret_is_refused_by_algorithm(app: Asker) -> None:
    app.key, app.algorithm = OctKey.generate_key(256), "HS256"
    app.header = {"kid": None}
    assert (await app.ask()).said == (*UNAUTHORIZED, ALGORITHM)


async def test_no_signature_is_refused_by_algorithm(app: Asker) -> None:
    _, claims, _ = app.assertion().split(".")
    assert (await app.post(app.form(f"eyJhbGciOiJub25lIn0.{claims}."))).said == (*UNAUTHORIZED, ALGORITHM)


async def test_an_algorithm_that_is_not_the_registered_one_is_refused(
    app: Asker, server: DevServer, rsa_key: RSAKey
) -> None:
    server.register("app", public(rsa_key, alg="RS512"))
    app.key, app.algorithm = rsa_key, "RS256"
    assert (await app.ask()).said == (*UNAUTHORIZED, ALGORITHM)


async def test_an_algorithm_of_another_key_type_is_refused(app: Asker, server: DevServer, rsa_key: RSAKey) -> None:
    server.register("app", public(rsa_key))
    app.header = {"kid": rsa_key.kid}
    assert (await app.ask()).said == (*UNAUTHORIZED, ALGORITHM)


async def test_an_encryption_key_does_not_sign(app: Asker, server: DevServer, key: ECKey) -> None:
    server.register("app", public(key, use="enc"))
    assert (await app.ask()).said == (*UNAUTHORIZED, "The client_assertion JWT needs to be signed using a signing key.")


async def test_a_signature_of_another_key_is_refused(app: Asker, key: ECKey, other: ECKey) -> None:
    app.key, app.header = other, {"kid": key.kid}
    assert (await app.ask()).said == (*UNAUTHORIZED, "The client_assertion signature is invalid.")


async def test_an_unknown_kid_is_refused_even_with_the_right_key(app: Asker) -> None:
    app.header = {"kid": "typo"}
    assert (await app.ask()).said == (*UNAUTHORIZED, KID)


async def test_two_registered_keys_need_a_kid(app: Asker, server: DevServer, key: ECKey, other: ECKey) -> None:
    server.register("app", public(key, other))
    assert (await app.ask()).status == 200
    app.header = {"kid": None}
    assert (await app.ask()).said == (*UNAUTHORIZED, KID)


async def test_the_issuer_must_be_a_client(app: Asker) -> None:
    assert (await app.ask(iss="nobody")).said == (*UNAUTHORIZED, ISSUER)
    assert (await app.ask(iss=None)).said == (*UNAUTHORIZED, ISSUER)


async def test_the_subject_must_be_the_issuer(app: Asker) -> None:
    assert (await app.ask(sub="nobody")).said == (*UNAUTHORIZED, SUBJECT)
    assert (await app.ask(sub=None)).said == (*UNAUTHORIZED, SUBJECT)


async def test_a_client_id_beside_the_assertion_must_be_the_same(app: Asker) -> None:
    assert (await app.post(app.form(app.assertion(), client_id="app"))).status == 200
    reply = await app.post(app.form(app.assertion(), client_id="another"))
    assert reply.said == (*UNAUTHORIZED, "Invalid value for 'client_id' parameter.")


@pytest.mark.parametrize("suffix", ["", "/", "/oauth2/v1/token/", "/oauth2/default/v1/token"])
async def test_another_audience_than_the_endpoint_is_refused(app: Asker, server: DevServer, suffix: str) -> None:
    assert (await app.ask(aud=server.issuer + suffix)).said == (*UNAUTHORIZED, AUDIENCE)


async def test_the_host_in_the_audience_must_be_the_one_that_was_called(app: Asker, server: DevServer) -> None:
    reply = await app.ask(aud=f"http://localhost:{server.port}/oauth2/v1/token")
    assert reply.said == (*UNAUTHORIZED, AUDIENCE)


async def test_a_missing_audience_is_refused(app: Asker) -> None:
    assert (await app.ask(aud=None)).said == (*UNAUTHORIZED, AUDIENCE)


@pytest.mark.looptime
@pytest.mark.parametrize("exp", [None, "1800000060", 1_800_000_060.0, 1_800_000_060_000, True])
async def test_exp_must_be_whole_seconds(app: Asker, exp: object) -> None:
    assert (await app.ask(exp=exp)).said == (*UNAUTHORIZED, EXP)


@pytest.mark.looptime
@pytest.mark.parametrize(("ahead", "sentence"), [(0, EXPIRED), (-5, EXPIRED), (3601, TOO_FAR)])
async def test_exp_is_judged_to_the_second(app: Asker, ahead: int, sentence: str) -> None:
    assert (await app.ask(exp=int(app.wall()) + ahead)).said == (*UNAUTHORIZED, sentence)


@pytest.mark.looptime
@pytest.mark.parametrize("ahead", [1, 3600])
async def test_exp_within_the_hour_is_taken(app: Asker, ahead: int) -> None:
    assert (await app.ask(exp=int(app.wall()) + ahead)).status == 200


@pytest.mark.looptime
@pytest.mark.parametrize("claim", ["iat", "nbf"])
async def test_a_second_ahead_is_the_future(app: Asker, claim: str) -> None:
    assert (await app.ask(**{claim: int(app.wall()) + 1})).said == (*UNAUTHORIZED, FUTURE)
    assert (await app.ask(**{claim: int(app.wall())})).status == 200


# The jti


async def test_the_same_assertion_twice_is_refused(app: Asker) -> None:
    form = app.form(app.assertion())
    assert (await app.post(form)).status == 200
    assert (await app.post(form)).said == (*UNAUTHORIZED, USED)


async def test_another_assertion_with_the_same_jti_is_refused(app: Asker) -> None:
    assert (await app.ask(jti="once")).status == 200
    assert (await app.ask(jti="once")).said == (*UNAUTHORIZED, USED)


async def test_a_jti_is_spent_by_a_request_that_is_refused_afterwards(app: Asker) -> None:
    assert (await app.ask(jti="once", aud="wrong")).sentence == AUDIENCE
    assert (await app.ask(jti="once")).sentence == USED


async def test_a_jti_is_not_spent_by_somebody_else_s_signature(app: Asker, key: ECKey, other: ECKey) -> None:
    app.key, app.header = other, {"kid": key.kid}
    assert (await app.ask(jti="once")).status == 401
    app.key = key
    assert (await app.ask(jti="once")).status == 200


async def test_two_clients_may_use_the_same_jti(app: Asker, server: DevServer, key: ECKey) -> None:
    server.register("second", public(key))
    assert (await app.ask(jti="once")).status == 200
    app.client_id = "second"
    assert (await app.ask(jti="once")).status == 200


# Whatever comes


@given(body=st.binary(max_size=300), authorization=st.none() | st.text(max_size=40))
def test_reading_a_request_never_fails(body: bytes, authorization: str | None) -> None:
    asked = read(b"client_assertion_type=" + JWT_BEARER.encode() + b"&client_assertion=" + body, FORM, authorization)
    assert asked.client_id is None or isinstance(asked.client_id, str)
    assert "client_assertion" not in repr(asked)


def part(content: object) -> str:
    return urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("app"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
HEADERS = st.fixed_dictionaries(
    {"alg": st.just("ES256") | ANY_JSON}, optional=dict.fromkeys(("kid", "typ", "crit", "jku", "x5c", "b64"), ANY_JSON)
)
CLAIMS = st.fixed_dictionaries(
    {"iss": st.just("app") | ANY_JSON, "sub": st.just("app") | ANY_JSON},
    optional=dict.fromkeys(("aud", "exp", "iat", "nbf", "jti"), ANY_JSON),
)
REGISTERED = parse(public(ECKey.generate_key("P-256")))


@given(header=HEADERS, claims=CLAIMS)
def test_a_forged_assertion_is_refused_and_never_a_crash(header: dict[str, object], claims: dict[str, object]) -> None:
    assertion = f"{part(header)}.{part(claims)}.{'A' * 86}"
    form = f"grant_type=client_credentials&client_assertion_type={JWT_BEARER}&client_assertion={assertion}"
    asked = read(form.encode(), FORM, None)
    verify.method(asked, {"app"})
    with pytest.raises(RefusedError):
        verify.signature(verify.assertion(asked), REGISTERED, verify.identity(asked, {"app"}))


@given(claims=CLAIMS)
def test_claims_are_judged_and_never_a_crash(claims: dict[str, object]) -> None:
    with pytest.raises(RefusedError):
        verify.claims(claims, "http://127.0.0.1/oauth2/v1/token", 1_800_000_000)
