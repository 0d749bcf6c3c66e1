"""`signer.Signer` for a private key in this process."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from cryptography.exceptions import InternalError
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurve, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from broker.keys.certificate import Certificate
from broker.keys.private import Native, NativePublic, PrivateKey, PublicKey, UnusableError

P = ParamSpec("P")
R = TypeVar("R")
Key = RSAKey | ECKey | OKPKey

#: RSA signing time grows with the cube of the size: 0.7 ms at 2048 bits, 5 ms at 4096. Larger keys sign in a thread.
MAX_INLINE_BITS = 2048


class Sealed:
    """A private key that signs and returns its public half, and cannot be exported.

    Its subclasses are registered with cryptography's abstract classes so that joserfc accepts them: with a native key,
    joserfc copies d, p and q into a dict at the first use.
    """

    __slots__ = ("_native",)

    def __init__(self, native: Native) -> None:
        self._native = native

    def sign(self, *args: Any) -> bytes:  # noqa: ANN401 - each kind of key has its own arguments
        """Sign with the native key; the arguments depend on the kind of key."""
        sign = cast("Callable[..., bytes]", self._native.sign)
        return sign(*args)

    def public_key(self) -> NativePublic:
        """The public half."""
        return self._native.public_key()


@RSAPrivateKey.register
class SealedRSA(Sealed):
    """Signs RS* and PS*."""

    __slots__ = ()


@Ed25519PrivateKey.register
class SealedEd25519(Sealed):
    """Signs EdDSA."""

    __slots__ = ()


@EllipticCurvePrivateKey.register
class SealedEC(Sealed):
    """Signs ES*; joserfc reads the curve."""

    __slots__ = ()

    @property
    def curve(self) -> EllipticCurve:
        """The curve."""
        return cast("EllipticCurvePrivateKey", self._native).curve


KINDS: dict[str, tuple[Callable[[Native], Sealed], type[Key]]] = {
    "RSA": (SealedRSA, RSAKey),
    "P-256": (SealedEC, ECKey),
    "P-384": (SealedEC, ECKey),
    "P-521": (SealedEC, ECKey),
    "Ed25519": (SealedEd25519, OKPKey),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalSigner:
    """`signer.Signer` for a key in memory. Built by `seal`."""

    kid: str | None
    algorithm: str
    public_jwk: dict[str, str]
    thumbprint: str
    inline: bool
    certificate: Certificate | None
    _key: Key = field(repr=False)

    @property
    def x5t(self) -> str | None:
        """The thumbprint of the configured certificate, if any."""
        return self.certificate.x5t if self.certificate else None

    async def sign(self, make: Callable[Concatenate[Any, P], R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run `make(key, *args, **kwargs)`; in a thread if signing would block the event loop."""
        if self.inline:
            return make(self._key, *args, **kwargs)
        return await asyncio.to_thread(make, self._key, *args, **kwargs)


def seal(key: PrivateKey, *, algorithm: str, kid: str | None, certificate: Certificate | None = None) -> LocalSigner:
    """Return a signer for `key` after verifying a trial signature with its public half.

    This is the only check of an RSA key (see `pem`): it detects a key whose signatures do not verify, but not errors
    that OpenSSL works around. Raises UnusableError.
    """
    sealed, kind = KINDS[key.kind]
    jwk = public_jwk(key, algorithm=algorithm, kid=kid)
    private = kind(cast("Any", sealed(key.native)), jwk)
    if not _signs(private, jwk, algorithm):
        raise UnusableError("is damaged: its public half does not verify what the key signs; make or export it again")
    return LocalSigner(
        kid=kid,
        algorithm=algorithm,
        public_jwk=jwk,
        thumbprint=private.thumbprint(),
        inline=not isinstance(key.native, RSAPrivateKey) or key.native.key_size <= MAX_INLINE_BITS,
        certificate=certificate,
        _key=private,
    )


def public_jwk(key: PrivateKey | PublicKey, *, algorithm: str, kid: str | None) -> dict[str, str]:
    """The public half as a JWK (RFC 7517), members in the customary order."""
    kind = KINDS[key.kind][1]
    jwk = {"kty": kind.key_type, "use": "sig", "alg": algorithm} | ({} if kid is None else {"kid": kid})
    members = kind(cast("Any", key.public), None).as_dict()
    return jwk | {name: value for name, value in members.items() if isinstance(value, str)}


def _signs(private: Key, public_jwk: dict[str, str], algorithm: str) -> bool:
    model = JWSRegistry.algorithms[algorithm]
    message = b"token-broker"
    try:
        public = type(private).import_key(cast("Any", public_jwk))
        return model.verify(message, model.sign(message, private), public)
    except (ValueError, InternalError, JoseError):
        return False
