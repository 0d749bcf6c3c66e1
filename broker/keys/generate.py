"""New keys: pairs for `keygen` and for the embedded server's clients, and keys of our own that nobody ever sees."""

from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from joserfc.jwk import ECKey, OKPKey, RSAKey

from broker.keys.algorithms import FITTING
from broker.keys.local import LocalSigner, seal
from broker.keys.private import CURVES, Native, PrivateKey


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A private key that nobody has seen yet, with its public half as a JWK (RFC 7517)."""

    public_jwk: dict[str, Any]
    _key: RSAKey | ECKey | OKPKey = field(repr=False)

    @property
    def private_jwk(self) -> dict[str, Any]:
        """The whole key, under the same `kid` and `alg`."""
        return self.public_jwk | self._key.as_dict(private=True)

    @property
    def private_pem(self) -> str:
        """The whole key as PKCS#8, which has no place for a `kid`."""
        return self._key.as_pem(private=True).decode()


def generate(algorithm: str, *, bits: int = 2048, kid: str | None = None) -> KeyPair:
    """A new key for `algorithm`; `bits` counts for RSA only. Its `kid` is the RFC 7638 thumbprint unless given."""
    kind = _kind(algorithm)
    key: RSAKey | ECKey | OKPKey
    if kind == "RSA":
        key = RSAKey.generate_key(bits)
    elif kind == "Ed25519":
        key = OKPKey.generate_key("Ed25519")
    else:
        key = ECKey.generate_key(kind)
    about = {"kty": key.key_type, "use": "sig", "alg": algorithm, "kid": kid or key.thumbprint()}
    return KeyPair(about | key.as_dict(private=False), key)


def proof_signer(algorithm: str) -> LocalSigner:
    """A new key for proofs of possession (RFC 9449), sealed from the start: it is in no file, and nothing exports it.

    An RSA key takes some 30 ms, now and then 100: make it in a thread, where it holds up nobody, for OpenSSL looks for
    its primes without the GIL.
    """
    native = _native(_kind(algorithm))
    return seal(PrivateKey(native=native, public=native.public_key()), algorithm=algorithm, kid=None)


def _native(kind: str) -> Native:
    if kind == "RSA":
        return generate_rsa(65537, 2048)
    return Ed25519PrivateKey.generate() if kind == "Ed25519" else generate_ec(CURVES[kind])


def _kind(algorithm: str) -> str:
    return next(kind for kind, algorithms in FITTING.items() if algorithm in algorithms)
