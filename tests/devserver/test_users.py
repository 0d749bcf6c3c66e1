"""The API that a token can be tried on: as Bearer, and as DPoP with a proof for each request."""

import asyncio
from collections.abc import Callable

import pytest
from joserfc.jwk import ECKey

from broker.devserver import DevServer
from devserver_client import Asker, Prover, Reply, ath

PATH = "/api/v1/users"
Now = Callable[[], float]


@pytest.fixture
def prover(server: DevServer, now: Now) -> Prover:
    return Prover(server.issuer + PATH, now, method="GET")


async def bound(app: Asker, prover: Prover) -> str:
    """A token bound to the prover's key."""
    claims = {"htm": "POST", "htu": app.server.token_endpoint, "nonce": app.server.proofs.nonce()}
    return str((await app.prove(prover.proof(**claims))).body["access_token"])


async def call(app: Asker, authorization: str, *proofs: str, query: str = "") -> Reply:
    fields = [("Authorization", authorization), *(("DPoP", proof) for proof in proofs)]
    async with app.http.get(app.server.issuer + PATH + query, headers=fields) as answer:
        return Reply(answer.status, answer.headers, await answer.read())


async def test_a_bound_token_with_a_proof_is_let_in(app: Asker, prover: Prover) -> None:
    token = await bound(app, prover)
    for query in ("", "?limit=1"):
        reply = await call(app, f"DPoP {token}", prover.proof(ath=ath(token)), query=query)
        assert reply.status == 200
        assert "DPoP-Nonce" not in reply.headers


async def test_a_bound_token_as_bearer_is_refused(app: Asker, prover: Prover) -> None:
    token = await bound(app, prover)
    for proofs in ([], [prover.proof(ath=ath(token))]):
        reply = await call(app, f"Bearer {token}", *proofs)
        assert reply.said == (
            400,
            "invalid_request",
            "The resource request must use the DPoP authentication scheme when using a DPoP bound token.",
        )


async def test_a_bound_token_without_a_proof_is_refused(app: Asker, prover: Prover) -> None:
    reply = await call(app, f"DPoP {await bound(app, prover)}")
    assert reply.said == (400, "invalid_request", "The resource request requires a DPoP proof.")


async def test_a_token_that_is_not_bound_is_no_dpop_token(app: Asker, prover: Prover) -> None:
    token = (await app.ask()).body["access_token"]
    reply = await call(app, f"DPoP {token}", prover.proof(ath=ath(token)))
    assert reply.said == (401, "invalid_token", "The presented access_token is not DPoP bound.")
    assert (await call(app, f"Bearer {token}")).status == 200


async def test_a_proof_for_another_token_is_refused(app: Asker, prover: Prover) -> None:
    token, other = await bound(app, prover), await bound(app, prover)
    for proof in (prover.proof(ath=ath(other)), prover.proof()):
        reply = await call(app, f"DPoP {token}", proof)
        assert reply.sentence == "'ath' claim in the DPoP proof does not match the presented access_token."


async def test_a_proof_by_another_key_is_refused(app: Asker, prover: Prover) -> None:
    token = await bound(app, prover)
    prover.key = ECKey.generate_key("P-256")
    reply = await call(app, f"DPoP {token}", prover.proof(ath=ath(token)))
    assert reply.said == (
        400,
        "invalid_dpop_proof",
        "The access_token is not bound to the provided DPoP proof.",
    )


async def test_a_proof_is_for_one_request(app: Asker, prover: Prover) -> None:
    token = await bound(app, prover)
    proof = prover.proof(ath=ath(token))
    assert (await call(app, f"DPoP {token}", proof)).status == 200
    reply = await call(app, f"DPoP {token}", proof)
    assert reply.sentence == "The DPoP proof JWT has already been used."


@pytest.mark.parametrize("claim", ["htm", "htu"])
async def test_a_proof_for_another_request_is_refused_with_a_challenge(app: Asker, prover: Prover, claim: str) -> None:
    token = await bound(app, prover)
    reply = await call(app, f"DPoP {token}", prover.proof(ath=ath(token), **{claim: "PUT"}))
    assert reply.said == (400, "invalid_dpop_proof", f"'{claim}' claim in the DPoP proof JWT is invalid.")
    assert reply.headers["WWW-Authenticate"] == (
        'DPoP realm="okta", algs="RS256 RS384 RS512 ES256 ES384 ES512", error="invalid_dpop_proof", '
        f"error_description=\"'{claim}' claim in the DPoP proof JWT is invalid.\""
    )


async def test_an_api_that_wants_a_nonce_says_which(app: Asker, server: DevServer, prover: Prover) -> None:
    server.api_proofs.nonce_required = True
    token = await bound(app, prover)
    reply = await call(app, f"DPoP {token}", prover.proof(ath=ath(token)))
    assert reply.said == (401, "use_dpop_nonce", "Resource server requires nonce in DPoP proof.")
    assert 'error="use_dpop_nonce"' in reply.headers["WWW-Authenticate"]
    nonce = reply.headers["DPoP-Nonce"]
    granted = await call(app, f"DPoP {token}", prover.proof(ath=ath(token), nonce=nonce))
    assert (granted.status, granted.headers["DPoP-Nonce"]) == (200, nonce)


async def test_a_nonce_of_the_token_endpoint_is_none_of_the_apis(app: Asker, server: DevServer, prover: Prover) -> None:
    server.api_proofs.nonce_required = True
    token = await bound(app, prover)
    reply = await call(app, f"DPoP {token}", prover.proof(ath=ath(token), nonce=server.proofs.nonce()))
    assert reply.body["error"] == "use_dpop_nonce"


@pytest.mark.looptime
@pytest.mark.parametrize("scheme", ["Bearer", "DPoP"])
async def test_a_token_that_is_over_is_refused_in_the_scheme_it_came_in(
    app: Asker, server: DevServer, prover: Prover, scheme: str
) -> None:
    server.lifetime = 1
    token = await bound(app, prover) if scheme == "DPoP" else (await app.ask()).body["access_token"]
    await asyncio.sleep(2)
    reply = await call(app, f"{scheme} {token}", *([prover.proof(ath=ath(token))] if scheme == "DPoP" else []))
    assert (reply.status, reply.body["errorCode"]) == (401, "E0000011")
    assert reply.headers["WWW-Authenticate"].startswith(f'{scheme} realm="okta"')
    assert 'error_description="The token has expired."' in reply.headers["WWW-Authenticate"]


@pytest.mark.parametrize("token", ["nonsense", "", "\x80", "a.b.c"])
async def test_a_token_of_nobodys_is_invalid(app: Asker, prover: Prover, token: str) -> None:
    reply = await call(app, f"DPoP {token}", prover.proof())
    assert (reply.status, reply.body["errorCode"]) == (401, "E0000011")
