import asyncio
import json
import time

import pytest
from joserfc.jwk import thumbprint

from broker.keys.generate import generate, proof_signer
from broker.keys.local import seal
from broker.keys.parse import parse
from key_forms import ALGORITHMS, an_assertion, private_members, public_members, verifies


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_new_key_is_one_that_the_broker_takes(algorithm: str) -> None:
    pair = generate(algorithm)
    for content in (json.dumps(pair.private_jwk), pair.private_pem):
        key = parse(content.encode())
        assert key.kind == ALGORITHMS[algorithm]
        signer = seal(key, algorithm=algorithm, kid=pair.public_jwk["kid"])
        assert signer.public_jwk == pair.public_jwk
        assert verifies(pair.public_jwk, await an_assertion(signer))


def test_the_private_jwk_is_the_public_one_and_the_private_members() -> None:
    pair = generate("RS256")
    key = parse(pair.private_pem.encode()).native
    assert pair.private_jwk == pair.public_jwk | private_members(key)
    assert pair.public_jwk == {**public_members(key), "use": "sig", "alg": "RS256", "kid": pair.public_jwk["kid"]}


def test_the_kid_is_the_thumbprint_unless_given() -> None:
    pair = generate("ES256")
    members = {name: pair.public_jwk[name] for name in ("kty", "crv", "x", "y")}
    assert pair.public_jwk["kid"] == thumbprint(members)
    assert generate("ES256", kid="mine").private_jwk["kid"] == "mine"


def test_the_size_of_an_rsa_key_is_what_was_asked_for() -> None:
    assert parse(generate("PS256", bits=3072).private_pem.encode()).public.key_size == 3072  # type: ignore[union-attr] # it is RSA


def test_the_private_half_is_not_shown() -> None:
    pair = generate("ES256")
    assert pair.private_jwk["d"][:8] not in repr(pair)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_key_for_proofs_signs_and_has_no_kid(algorithm: str) -> None:
    signer = proof_signer(algorithm)
    assert (signer.kid, signer.x5t, signer.algorithm) == (None, None, algorithm)
    assert "kid" not in signer.public_jwk
    assert verifies(signer.public_jwk, await an_assertion(signer))


async def test_no_two_keys_for_proofs_are_the_same_and_nobody_gets_them_out() -> None:
    one, other = proof_signer("ES256"), proof_signer("ES256")
    assert one.thumbprint != other.thumbprint
    with pytest.raises(AttributeError):
        await one.sign(lambda key: key.as_pem(private=True))
    assert "d" not in await one.sign(lambda key: dict(key.as_dict(private=True)))


async def test_making_an_rsa_key_in_a_thread_does_not_hold_up_the_loop() -> None:
    shares = []
    for _ in range(10):  # one is enough to show it, on a machine that is busy with other things
        pause, began = 0.0, time.perf_counter()
        last = began
        making = asyncio.create_task(asyncio.to_thread(proof_signer, "RS256"))
        while not making.done():
            await asyncio.sleep(0)
            now = time.perf_counter()
            pause, last = max(pause, now - last), now
        shares.append(pause / (last - began))
    assert min(shares) < 0.4
