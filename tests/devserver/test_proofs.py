"""DPoP at the token endpoint, in Okta's words: typed here once more, on purpose."""

import asyncio
import json
from collections.abc import Callable

import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from broker.devserver import DevServer, Fault
from broker.devserver.proofs import GOOD_FOR, NONCE_GOOD_FOR, NONCE_LASTS, ProofVerifier
from devserver_client import Asker, Prover, public
from key_forms import b64

BAD = (400, "invalid_dpop_proof")
MISSING = "The DPoP proof JWT header is missing."
PARSING = "The DPoP proof JWT cannot be parsed."
INVALID = "The DPoP proof JWT is invalid."
TYPE = "'typ' must be 'dpop+jwt' in the DPoP proof JWT."
ALGORITHM = "The DPoP proof JWT signature algorithm is invalid."
IAT = "'iat' claim in the DPoP proof JWT is invalid."
USED = "The DPoP proof JWT has already been used."
NONCE = (400, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof.")


@pytest.fixture
def prover(app: Asker, server: DevServer, now: Callable[[], float]) -> Prover:
    """Knows the nonce."""
    del app
    return Prover(server.token_endpoint, now, nonce=server.proofs.nonce())


def require(server: DevServer, key: ECKey) -> None:
    server.register("app", public(key), {"okta.users.read"}, dpop=True)


async def test_a_client_that_must_prove_and_does_not_is_told_so(app: Asker, server: DevServer, key: ECKey) -> None:
    require(server, key)
    assert (await app.ask()).said == (*BAD, MISSING)
    assert "DPoP-Nonce" not in (await app.ask()).headers


async def test_a_client_is_authenticated_before_its_proof_is_looked_at(
    app: Asker, server: DevServer, key: ECKey
) -> None:
    require(server, key)
    assert (await app.ask(aud="x")).body["error"] == "invalid_client"


async def test_a_proof_without_a_nonce_is_told_the_nonce_and_the_next_one_is_granted(
    app: Asker, server: DevServer, key: ECKey, prover: Prover
) -> None:
    require(server, key)
    prover.nonce = None
    reply = await app.prove(prover.proof())
    assert reply.said == NONCE
    prover.nonce = reply.headers["DPoP-Nonce"]
    granted = await app.prove(prover.proof())
    assert (granted.status, granted.body["token_type"]) == (200, "DPoP")


async def test_the_assertion_is_spent_when_a_nonce_is_asked_for(app: Asker, prover: Prover) -> None:
    form = app.form(app.assertion())
    first = await app.post(form, {"DPoP": prover.proof(nonce=None)})
    again = await app.post(form, {"DPoP": prover.proof(nonce=first.headers["DPoP-Nonce"])})
    assert again.said == (401, "invalid_client", "The client_assertion token has already been used.")


async def test_the_token_is_bound_to_the_key_of_the_proof(app: Asker, prover: Prover) -> None:
    token = (await app.prove(prover.proof())).body["access_token"]
    jwks = (await app.get("/oauth2/v1/keys")).body
    claims = jwt.decode(token, ECKey.import_key(jwks["keys"][0]), algorithms=["ES256"]).claims
    assert claims["cnf"] == {"jkt": prover.key.thumbprint()}
    unbound = (await app.ask()).body
    assert unbound["token_type"] == "Bearer"
    assert "cnf" not in jwt.decode(unbound["access_token"], ECKey.import_key(jwks["keys"][0])).claims


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "ES384"])
async def test_every_algorithm_that_okta_names_is_taken(app: Asker, prover: Prover, algorithm: str) -> None:
    prover.key = RSAKey.generate_key(2048) if algorithm.startswith("RS") else ECKey.generate_key("P-384")
    prover.algorithm = algorithm
    assert (await app.prove(prover.proof())).status == 200


async def test_the_metadata_name_them(app: Asker) -> None:
    named = (await app.get("/.well-known/oauth-authorization-server")).body["dpop_signing_alg_values_supported"]
    assert named == ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]


async def test_a_proof_is_good_once(app: Asker, prover: Prover) -> None:
    proof = prover.proof()
    assert (await app.prove(proof)).status == 200
    assert (await app.prove(proof)).said == (*BAD, USED)


async def test_the_id_of_another_key_is_another_id(app: Asker, prover: Prover) -> None:
    assert (await app.prove(prover.proof(jti="1"))).status == 200
    prover.key = ECKey.generate_key("P-256")
    assert (await app.prove(prover.proof(jti="1"))).status == 200
    assert (await app.prove(prover.proof(jti="1"))).said == (*BAD, USED)


async def test_two_proofs_are_one_too_many(app: Asker, prover: Prover) -> None:
    reply = await app.prove(prover.proof(), prover.proof())
    assert reply.said == (*BAD, "Multiple DPoP proof JWT headers are not allowed.")


@pytest.mark.parametrize("proof", ["x", "a.b.c", "a.b", "e30.e30.", "W10.W10.x", "", "a b"])
async def test_what_is_no_jwt_cannot_be_parsed(app: Asker, proof: str) -> None:
    assert (await app.prove(proof)).said == (*BAD, PARSING)


async def test_two_proofs_in_one_header_cannot_be_parsed(app: Asker, prover: Prover) -> None:
    assert (await app.prove(f"{prover.proof()}, {prover.proof()}")).said == (*BAD, PARSING)


async def test_a_critical_header_that_is_not_understood_cannot_be_parsed(app: Asker, prover: Prover) -> None:
    key = prover.key
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": key.as_dict(private=False), "crit": ["b64"], "b64": True}
    proof = jws.serialize_compact(header, b"{}", key)
    assert (await app.prove(proof)).said == (*BAD, PARSING)


async def test_a_header_of_a_wrong_type_cannot_be_parsed(app: Asker, prover: Prover) -> None:
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": prover.key.as_dict(private=False), "kid": 7}
    signed = b64(json.dumps(head).encode()) + ".e30"
    signature = b64(jws.JWSRegistry.algorithms["ES256"].sign(signed.encode(), prover.key))
    assert (await app.prove(f"{signed}.{signature}")).said == (*BAD, PARSING)


@pytest.mark.parametrize("typ", ["JWT", "DPOP", None, "application/dpop+jwt"])
async def test_the_type_is_dpop_jwt(app: Asker, prover: Prover, typ: str | None) -> None:
    prover.header = {"typ": typ}
    assert (await app.prove(prover.proof())).said == (*BAD, TYPE)


async def test_pss_eddsa_and_secrets_are_refused_by_algorithm(app: Asker, prover: Prover) -> None:
    for key, algorithm in (
        (RSAKey.generate_key(2048), "PS256"),
        (OKPKey.generate_key("Ed25519"), "Ed25519"),
        (OctKey.generate_key(256), "HS256"),
    ):
        prover.key, prover.algorithm, prover.header = key, algorithm, {"jwk": {"kty": "oct"}}
        assert (await app.prove(prover.proof())).said == (*BAD, ALGORITHM)


async def test_an_algorithm_of_another_kind_of_key_is_refused(app: Asker, prover: Prover) -> None:
    prover.header = {"jwk": RSAKey.generate_key(2048).as_dict(private=False)}
    assert (await app.prove(prover.proof())).said == (*BAD, ALGORITHM)


@pytest.mark.parametrize("jwk", [None, {}, {"kty": "oct", "k": "YQ"}, {"kty": "EC"}, {"kty": "OKP", "crv": "Ed25519"}])
async def test_a_proof_without_its_public_key_is_invalid(app: Asker, prover: Prover, jwk: object) -> None:
    key = prover.key
    header = {"typ": "dpop+jwt", "alg": "ES256"} | ({} if jwk is None else {"jwk": jwk})
    lax = jws.JWSRegistry(header_registry={}, algorithms=["ES256"], strict_check_header=False)
    assert (await app.prove(jws.serialize_compact(header, b"{}", key, registry=lax))).said == (*BAD, INVALID)


async def test_a_proof_that_shows_its_private_key_is_invalid(app: Asker, prover: Prover) -> None:
    prover.header = {"jwk": prover.key.as_dict(private=True)}
    assert (await app.prove(prover.proof())).said == (*BAD, INVALID)


async def test_a_signature_of_another_key_is_invalid(app: Asker, prover: Prover) -> None:
    prover.header = {"jwk": ECKey.generate_key("P-256").as_dict(private=False)}
    assert (await app.prove(prover.proof())).said == (*BAD, "The DPoP proof JWT signature is invalid.")


@pytest.mark.parametrize(
    ("claim", "name"),
    [
        *(({"jti": None}, "jti"), ({"jti": ""}, "jti"), ({"jti": 7}, "jti")),
        *(({"htm": None}, "htm"), ({"htm": "post"}, "htm"), ({"htm": "GET"}, "htm")),
        *(({"htu": None}, "htu"), ({"htu": "https://elsewhere.example/oauth2/v1/token"}, "htu"), ({"htu": 1}, "htu")),
        *(({"iat": None}, "iat"), ({"iat": "now"}, "iat"), ({"iat": True}, "iat"), ({"exp": "then"}, "iat")),
    ],
)
async def test_a_claim_that_is_missing_or_wrong_is_named(
    app: Asker, prover: Prover, claim: dict[str, object], name: str
) -> None:
    assert (await app.prove(prover.proof(**claim))).said == (*BAD, f"'{name}' claim in the DPoP proof JWT is invalid.")


@pytest.mark.parametrize("more", ["?x=y", "#top", "/"])
async def test_the_url_has_neither_query_nor_fragment_and_is_exact(app: Asker, prover: Prover, more: str) -> None:
    reply = await app.prove(prover.proof(htu=prover.url + more))
    assert reply.sentence == "'htu' claim in the DPoP proof JWT is invalid."


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("age", "sentence"),
    [
        (-1, "The DPoP proof JWT is issued in the future."),
        (-(10**12), "The DPoP proof JWT is issued in the future."),
        (0, ""),
        (GOOD_FOR, ""),
        (GOOD_FOR + 1, "The DPoP proof JWT is issued more than five minutes in the past."),
    ],
)
async def test_a_proof_is_five_minutes_good_and_not_before_its_time(
    app: Asker, prover: Prover, age: int, sentence: str, now: Callable[[], float]
) -> None:
    reply = await app.prove(prover.proof(iat=int(now()) - age))
    assert reply.body.get("error_description", "") == sentence


async def test_a_proof_that_says_itself_that_it_is_over_is_expired(
    app: Asker, prover: Prover, now: Callable[[], float]
) -> None:
    reply = await app.prove(prover.proof(exp=int(now()) - 1))
    assert reply.said == (*BAD, "The DPoP proof JWT is expired.")


async def test_a_skewed_clock_judges_proofs_too(app: Asker, server: DevServer, prover: Prover) -> None:
    server.faults.skew = -30
    assertion = app.assertion(iat=int(prover.wall()) - 60, exp=int(prover.wall()) + 20)
    reply = await app.post(app.form(assertion), {"DPoP": prover.proof()})
    assert reply.said == (*BAD, "The DPoP proof JWT is issued in the future.")


async def test_a_wrong_nonce_is_answered_with_the_right_one(app: Asker, server: DevServer, prover: Prover) -> None:
    for nonce in ("wrong", "", 7, ["x"]):
        reply = await app.prove(prover.proof(nonce=nonce))
        assert (reply.said, reply.headers["DPoP-Nonce"]) == (NONCE, server.proofs.nonce())


async def test_a_proof_of_a_wrong_nonce_is_spent_too(app: Asker, prover: Prover) -> None:
    assert (await app.prove(prover.proof(nonce="wrong", jti="1"))).said == NONCE
    assert (await app.prove(prover.proof(jti="1"))).said == (*BAD, USED)


async def test_a_new_nonce_that_forgets_the_old_one_is_asked_for(app: Asker, server: DevServer, prover: Prover) -> None:
    server.proofs.renew_nonce()
    assert (await app.prove(prover.proof())).said == NONCE


async def test_a_new_nonce_comes_with_a_token_while_the_old_one_is_good(
    app: Asker, server: DevServer, prover: Prover
) -> None:
    server.proofs.renew_nonce(forget=False)
    reply = await app.prove(prover.proof())
    assert reply.status == 200
    assert reply.headers["DPoP-Nonce"] == server.proofs.nonce() != prover.nonce


async def test_no_nonce_is_said_to_who_proves_nothing(app: Asker) -> None:
    assert "DPoP-Nonce" not in (await app.ask()).headers


async def test_where_no_nonce_is_required_a_proof_without_one_is_good_and_none_is_said(
    app: Asker, server: DevServer, prover: Prover
) -> None:
    server.proofs.nonce_required = False
    reply = await app.prove(prover.proof(nonce=None))
    assert (reply.status, "DPoP-Nonce" in reply.headers) == (200, False)


async def test_where_no_nonce_is_required_a_wrong_one_is_refused_all_the_same(
    app: Asker, server: DevServer, prover: Prover
) -> None:
    server.proofs.nonce_required = False
    assert (await app.prove(prover.proof(nonce="wrong"))).said == NONCE


@pytest.mark.looptime
async def test_a_nonce_lasts_a_day_and_is_accepted_for_three(
    app: Asker, server: DevServer, prover: Prover, now: Callable[[], float]
) -> None:
    server.proofs.renew_nonce()  # the one before was made by another clock: fixtures run outside of virtual time
    first = server.proofs.nonce()
    await asyncio.sleep(NONCE_LASTS - 1)
    assert server.proofs.nonce() == first
    await asyncio.sleep(2)
    assert server.proofs.nonce() != first
    await asyncio.sleep(NONCE_GOOD_FOR - NONCE_LASTS - 3)
    assert server.proofs.judge([prover.proof(nonce=first)], method="POST", url=prover.url, now=now())
    await asyncio.sleep(3)
    assert (await app.prove(prover.proof(nonce=first))).said == NONCE


async def test_nonces_without_end_take_no_more_room(now: Callable[[], float]) -> None:
    proofs = ProofVerifier(now, nonce_required=True)
    seen = set()
    for _ in range(500):
        seen.add(proofs.nonce())
        proofs.renew_nonce(forget=False)
    assert (len(seen), len(proofs._nonces)) == (500, 100)


async def test_a_fault_takes_the_nonce_with_the_answer(app: Asker, server: DevServer, prover: Prover) -> None:
    server.faults.add(Fault(status=503, times=1), Fault(headers={"DPoP-Nonce": "a lie"}, times=1))
    assert "DPoP-Nonce" not in (await app.prove(prover.proof())).headers
    assert (await app.prove(prover.proof())).headers["DPoP-Nonce"] == "a lie"


async def test_a_token_type_can_be_a_lie(app: Asker, server: DevServer, prover: Prover) -> None:
    server.faults.add(Fault(answer={"token_type": "Bearer"}))
    assert (await app.prove(prover.proof())).body["token_type"] == "Bearer"


async def test_the_journal_knows_which_proof_and_nonce_came(app: Asker, server: DevServer, prover: Prover) -> None:
    await app.prove(prover.proof(jti="proof-1"))
    await app.prove("nonsense")
    await app.ask()
    seen = [(each.proof_jti, each.nonce) for each in server.journal.requests]
    assert seen == [("proof-1", prover.nonce), (None, None), (None, None)]
