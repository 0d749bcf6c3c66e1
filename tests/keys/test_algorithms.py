import json

import pytest

from broker.keys.algorithms import FITTING, choose
from broker.keys.parse import parse
from broker.keys.private import PrivateKey, UnusableError
from each_case import for_each
from key_forms import ALGORITHMS, KINDS, jwk, native

OKTA = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")


def key(kind: str, **members: object) -> PrivateKey:
    return parse(json.dumps(jwk(native(kind), **members)).encode())


def refusal(found: PrivateKey, configured: str | None = None, allowed: tuple[str, ...] = OKTA) -> str:
    with pytest.raises(UnusableError) as caught:
        choose(found, configured=configured, allowed=allowed, provider="okta")
    return str(caught.value)


def test_the_table_knows_every_algorithm_and_kind() -> None:
    assert {(algorithm, kind) for kind, fitting in FITTING.items() for algorithm in fitting} == set(ALGORITHMS.items())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("RSA", "RS256"), ("P-256", "ES256"), ("P-384", "ES384"), ("P-521", "ES512"), ("Ed25519", "EdDSA")],
)
def test_a_key_that_nobody_says_anything_about_takes_the_most_common(kind: str, expected: str) -> None:
    assert choose(key(kind), configured=None, allowed=(), provider="generic") == expected


@for_each("algorithm", ALGORITHMS)
def test_the_configured_algorithm_goes_before_the_jwk_s_own(algorithm: str) -> None:
    own = {"RSA": "PS384", "Ed25519": "EdDSA"}.get(ALGORITHMS[algorithm])
    assert (
        choose(key(ALGORITHMS[algorithm], alg=own), configured=algorithm, allowed=(), provider="generic") == algorithm
    )


@for_each("algorithm", ALGORITHMS)
def test_the_jwk_s_own_algorithm_is_taken_where_the_provider_takes_it(algorithm: str) -> None:
    found = key(ALGORITHMS[algorithm], alg=algorithm)
    assert choose(found, configured=None, allowed=tuple(reversed(ALGORITHMS)), provider="generic") == algorithm


def test_else_it_is_the_provider_s_first_that_fits() -> None:
    assert choose(key("RSA", alg="PS256"), configured=None, allowed=OKTA, provider="okta") == "RS256"
    assert choose(key("P-384"), configured=None, allowed=("RS384", "ES384"), provider="smart") == "ES384"
    assert choose(key("RSA"), configured=None, allowed=("ES384", "PS256", "RS256"), provider="x") == "PS256"


def test_both_names_of_eddsa_are_known() -> None:
    assert choose(key("Ed25519", alg="Ed25519"), configured=None, allowed=("EdDSA",), provider="x") == "EdDSA"
    assert choose(key("Ed25519", alg="EdDSA"), configured=None, allowed=("Ed25519",), provider="x") == "Ed25519"


def test_a_key_that_the_provider_does_not_take_says_what_to_make() -> None:
    said = refusal(key("Ed25519"))
    assert "holds an Ed25519 key, but the provider okta takes RS256, RS384" in said
    assert "keygen --algorithm RS256" in said


def test_a_configured_algorithm_that_the_provider_does_not_take_names_both() -> None:
    assert "sign with PS256, but the provider okta takes RS256" in refusal(key("RSA"), configured="PS256")


@for_each("kind", KINDS)
@for_each("configured", ["HS256", "none", "ES256K", "RS1"])
def test_an_algorithm_that_does_not_fit_the_key_is_refused(kind: str, configured: str) -> None:
    said = refusal(key(kind), configured=configured)
    assert f"and not the configured algorithm {configured}" in said
    assert FITTING[kind][0] in said


@pytest.mark.parametrize(("kind", "alg"), [("RSA", "RSA-OAEP-256"), ("P-256", "ES384"), ("P-521", "ECDH-ES")])
def test_a_jwk_whose_algorithm_does_not_fit_its_key_is_refused(kind: str, alg: str) -> None:
    assert '"alg"' in refusal(key(kind, alg=alg))
