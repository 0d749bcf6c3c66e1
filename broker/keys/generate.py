"""New key pairs, for `keygen` and for the embedded server's clients."""

from dataclasses import dataclass, field
from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey

from broker.keys.algorithms import FITTING


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
    kind = next(kind for kind, algorithms in FITTING.items() if algorithm in algorithms)
    key: RSAKey | ECKey | OKPKey
    if kind == "RSA":
        key = RSAKey.generate_key(bits)
    elif kind == "Ed25519":
        key = OKPKey.generate_key("Ed25519")
    else:
        key = ECKey.generate_key(kind)
    about = {"kty": key.key_type, "use": "sig", "alg": algorithm, "kid": kid or key.thumbprint()}
    return KeyPair(about | key.as_dict(private=False), key)
