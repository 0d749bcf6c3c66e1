"""Proofs, read by a reader that is not the one that made them."""

import base64
import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.keys.generate import proof_signer
from broker.oauth.dpop import LONGEST_NONCE, Nonces, is_nonce, make_proof
from each_case import for_each
from key_forms import segments, verifies

URL = "https://acme.okta.com/oauth2/v1/token"
SIGNERS = {algorithm: proof_signer(algorithm) for algorithm in ("ES256", "RS256", "Ed25519")}
nonces = st.text(st.sampled_from([chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"\\']), min_size=1)


async def a_proof(algorithm: str = "ES256", **changed: Any) -> str:
    signer = SIGNERS[algorithm]
    said: dict[str, Any] = {"method": "POST", "url": URL, "issued_at": 1_795_474_000.9} | changed
    return await signer.sign(make_proof, algorithm=algorithm, public_jwk=signer.public_jwk, **said)


async def test_it_says_what_rfc_9449_asks_for_and_nothing_else() -> None:
    header, claims = segments(await a_proof())
    jti = claims.pop("jti")
    assert claims == {"htm": "POST", "htu": URL, "iat": 1_795_474_000}
    assert len(jti) >= 16, "at least 96 random bits, section 4.2"
    assert header.keys() == {"typ", "alg", "jwk"}
    assert (header["typ"], header["alg"]) == ("dpop+jwt", "ES256")


@pytest.mark.parametrize(
    ("algorithm", "members"),
    [("ES256", {"kty", "crv", "x", "y"}), ("RS256", {"kty", "n", "e"}), ("Ed25519", {"kty", "crv", "x"})],
)
async def test_the_key_in_the_header_has_its_public_members_only_and_verifies_the_proof(
    algorithm: str, members: set[str]
) -> None:
    proof = await a_proof(algorithm)
    header, _ = segments(proof)
    assert header["alg"] == algorithm
    assert header["jwk"].keys() == members
    if algorithm != "Ed25519":  # which the verifier knows by its older name only
        assert verifies(header["jwk"], proof)


@pytest.mark.parametrize(
    ("url", "htu"),
    [
        ("https://api.example/users?after=1&x=%3f", "https://api.example/users"),
        ("https://api.example/users#top", "https://api.example/users"),
        ("https://api.example/?a#b?c", "https://api.example/"),
        ("https://api.example/a%2Fb/;v=1", "https://api.example/a%2Fb/;v=1"),
    ],
)
async def test_the_url_is_named_without_query_and_fragment_and_is_not_touched_otherwise(url: str, htu: str) -> None:
    assert segments(await a_proof(url=url))[1]["htu"] == htu


async def test_the_method_is_named_as_it_is_sent() -> None:
    assert segments(await a_proof(method="PATCH"))[1]["htm"] == "PATCH"


async def test_a_nonce_is_repeated_to_its_server() -> None:
    assert segments(await a_proof(nonce="eyJ7S_zG.eyJH0-Z.HX4w-7v"))[1]["nonce"] == "eyJ7S_zG.eyJH0-Z.HX4w-7v"


async def test_the_hash_of_an_access_token_is_the_one_of_the_rfc() -> None:
    _, claims = segments(await a_proof(access_token="Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"))
    assert claims["ath"] == "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"


@given(st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1))
async def test_the_hash_of_any_access_token_is_its_unpadded_sha_256(access_token: str) -> None:
    ath = segments(await a_proof(access_token=access_token))[1]["ath"]
    assert base64.urlsafe_b64decode(ath + "=") == hashlib.sha256(access_token.encode()).digest()
    assert "=" not in ath


async def test_no_two_proofs_have_the_same_id() -> None:
    assert len({segments(await a_proof())[1]["jti"] for _ in range(50)}) == 50


async def test_a_proof_holds_no_private_member() -> None:
    for algorithm in SIGNERS:
        assert not {"d", "p", "q", "dp", "dq", "qi"} & segments(await a_proof(algorithm))[0]["jwk"].keys()


def test_the_newest_nonce_of_an_origin_is_kept_whatever_the_path() -> None:
    kept = Nonces()
    kept.put("https://as.example/token", "first")
    kept.put("https://AS.example:443/par", "second")
    assert kept.get("https://as.example/token?x") == "second"


@pytest.mark.parametrize("url", ["http://as.example/", "https://as.example:8443/", "https://as2.example/"])
def test_another_origin_has_another_nonce(url: str) -> None:
    kept = Nonces()
    kept.put("https://as.example/token", "ours")
    assert kept.get(url) is None


@for_each("nonce", ["", 'a"b', "a\\b", "a b", "a\n", "a\x7f", "ä", "a" * (LONGEST_NONCE + 1)])
def test_what_is_no_nonce_is_not_kept_and_the_one_before_stays(nonce: str) -> None:
    kept = Nonces()
    kept.put(URL, "before")
    kept.put(URL, nonce)
    assert kept.get(URL) == "before"


@given(nonces)
def test_every_nonce_that_the_rfc_permits_is_one(nonce: str) -> None:
    assert is_nonce(nonce) == (len(nonce) <= LONGEST_NONCE)


@given(st.text(min_size=1), st.sampled_from(['"', "\\", " ", "\t", "\r", "\n", "\x00", "\x7f", "\x80", "é", "\u2028"]))
def test_a_character_that_the_rfc_excludes_makes_it_none(around: str, excluded: str) -> None:
    assert not is_nonce(around + excluded + around)


def test_nonces_of_servers_without_end_take_no_more_room() -> None:
    kept = Nonces()
    for number in range(500):
        kept.put(f"https://as{number}.example/", "nonce")
    assert [number for number in range(500) if kept.get(f"https://as{number}.example/")] == list(range(400, 500))
