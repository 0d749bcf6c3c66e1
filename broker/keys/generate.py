"""Key generation: pairs for `keygen` and the embedded server's clients, and ephemeral proof keys."""

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
    """A new private key, with its public half as a JWK (RFC 7517)."""

    public_jwk: dict[str, Any]
    _key: RSAKey | ECKey | OKPKey = field(repr=False)

    @property
    def private_jwk(self) -> dict[str, Any]:
        """The private key as a JWK, with the same `kid` and `alg`."""
        return self.public_jwk | self._key.as_dict(private=True)

    @property
    def private_pem(self) -> str:
        """The private key as PKCS#8 PEM, which cannot carry a `kid`."""
        return self._key.as_pem(private=True).decode()


def generate(algorithm: str, *, bits: int = 2048, kid: str | None = None) -> KeyPair:
    """Generate a key for `algorithm`; `bits` applies to RSA only. `kid` defaults to the RFC 7638 thumbprint."""
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
    """Generate a key for DPoP proofs (RFC 9449). It is never written to a file and cannot be exported.

    An RSA key takes about 30 ms, sometimes 100 ms: call this in a thread. OpenSSL searches for primes without the GIL.
    """
    native = _native(_kind(algorithm))
    return seal(PrivateKey(native=native, public=native.public_key()), algorithm=algorithm, kid=None)


def _native(kind: str) -> Native:
    if kind == "RSA":
        return generate_rsa(65537, 2048)
    return Ed25519PrivateKey.generate() if kind == "Ed25519" else generate_ec(CURVES[kind])


def _kind(algorithm: str) -> str:
    return next(kind for kind, algorithms in FITTING.items() if algorithm in algorithms)
