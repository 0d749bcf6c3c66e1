"""JWK and JWKS (RFC 7517, RFC 7518 section 6, RFC 8037) -> private key or public keys."""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import (
    EllipticCurvePrivateNumbers,
    EllipticCurvePublicKey,
    EllipticCurvePublicNumbers,
)
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateNumbers, RSAPublicNumbers

from broker.keys.private import (
    CURVES,
    SUPPORTED,
    Native,
    NativePublic,
    PrivateKey,
    PublicKey,
    UnusableError,
    check_rsa_bits,
    kid_in,
    unsupported_curve,
)

BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
PRIMES = ("p", "q", "dp", "dq", "qi")
MAX_KIDS_SHOWN = 5
MAX_SHOWN = 50

Jwk = Mapping[str, Any]


def parse_jwk(jwk: Jwk) -> PrivateKey:
    """Return the private signing key in `jwk`. Raises UnusableError."""
    _check_purpose(jwk)
    if "d" not in jwk:
        raise UnusableError("holds a public key only (it has no member d); name the file with the private key")
    with suppress(ValueError):
        native, public = _numbers(jwk)
        return PrivateKey(native=native, public=public, kid=kid_in(jwk, "kid"), alg=jwk.get("alg"))
    raise UnusableError("is damaged: the numbers of its key do not belong together; make or export it again")


def parse_public_jwk(jwk: Jwk) -> PublicKey:
    """Return the public signing key in `jwk`, which must not be a private key. Raises UnusableError."""
    _check_purpose(jwk, operation="verify")
    with suppress(ValueError):
        return PublicKey(public=_public(jwk), kid=kid_in(jwk, "kid"), alg=jwk.get("alg"))
    raise UnusableError("is damaged: the numbers of its key do not belong together; export it again")


def jwks_in(members: Jwk) -> list[Jwk]:
    """Return the members of a JWKS (RFC 7517 section 5). Raises UnusableError."""
    keys = members["keys"]
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise UnusableError('is no JWKS: its member "keys" must be a list of JWKs')
    return keys


def parse_jwks(jwks: Jwk, kid: str | None) -> PrivateKey:
    """Return the key with the given `kid`; if the set does not name it or `kid` is None, its only private signing key.

    Raises UnusableError.
    """
    keys = jwks_in(jwks)
    named = [key for key in keys if kid is not None and key.get("kid") == kid]
    nameless = [key for key in keys if kid is None or not key.get("kid")]
    candidates = named or nameless
    if len(candidates) > 1:
        candidates = [key for key in candidates if _signs(key)]
    if len(candidates) == 1:
        return parse_jwk(candidates[0])
    names = _names(keys)
    if kid is not None and not named:
        raise UnusableError(f"holds no key of the wanted kid but {names}; correct kid, or the file")
    if candidates:
        raise UnusableError(f"holds {len(candidates)} private signing keys, {names}; say which one with kid")
    raise UnusableError("holds no private signing key; name the file with the private key")


def _check_purpose(jwk: Jwk, operation: str = "sign") -> None:
    match jwk.get("kty"):
        case "oct":
            raise UnusableError(f'holds a symmetric key (kty "oct"); private_key_jwt needs one of {SUPPORTED}')
        case "RSA" | "EC" | "OKP":
            pass
        case _:
            raise UnusableError(f'is JSON but no JWK: its member "kty" must be RSA, EC or OKP, for {SUPPORTED}')
    # A member that is null counts as absent.
    use, operations, alg = jwk.get("use"), jwk.get("key_ops"), jwk.get("alg")
    if use is not None and use != "sig":
        raise UnusableError('holds a key that is not for signing ("use" is not "sig"); name the signing key')
    if operations is not None and not (isinstance(operations, list) and operation in operations):
        raise UnusableError(
            f'holds a key that is not for signing ("key_ops" lacks "{operation}"); name the signing key'
        )
    if alg is not None and not isinstance(alg, str):
        raise UnusableError('has a member "alg" that is no string; correct it')


def _signs(jwk: Jwk) -> bool:
    try:
        _check_purpose(jwk)
    except UnusableError:
        return False
    return "d" in jwk


def _numbers(jwk: Jwk) -> tuple[Native, NativePublic]:
    """Raises ValueError for inconsistent numbers, as far as the libraries check them."""
    if jwk["kty"] == "RSA":
        return _rsa(jwk)
    public = _public(jwk)
    if isinstance(public, EllipticCurvePublicKey):
        return EllipticCurvePrivateNumbers(_integer(jwk, "d"), public.public_numbers()).private_key(), public
    return Ed25519PrivateKey.from_private_bytes(_octets(jwk, "d")), public


def _public(jwk: Jwk) -> NativePublic:
    if jwk["kty"] == "RSA":
        return _rsa_public(jwk).public_key()
    crv = str(jwk.get("crv"))
    if jwk["kty"] == "EC" and crv in CURVES:
        return EllipticCurvePublicNumbers(_integer(jwk, "x"), _integer(jwk, "y"), CURVES[crv]).public_key()
    if jwk["kty"] == "OKP" and crv == "Ed25519":
        return Ed25519PublicKey.from_public_bytes(_octets(jwk, "x"))
    raise UnusableError(unsupported_curve(repr(crv[:MAX_SHOWN])))


def _rsa(jwk: Jwk) -> tuple[Native, NativePublic]:
    if missing := [name for name in PRIMES if name not in jwk]:
        raise UnusableError(
            f"holds an RSA key without {', '.join(missing)}, and finding the primes again costs seconds of CPU; export"
            " the key with all its members, or as PEM"
        )
    if "oth" in jwk:
        raise UnusableError(f"holds an RSA key of more than two primes, which is not supported; use one of {SUPPORTED}")
    public = _rsa_public(jwk)
    p, q, dp, dq, qi = (_integer(jwk, name) for name in PRIMES)
    private = RSAPrivateNumbers(p, q, _integer(jwk, "d"), dp, dq, qi, public)
    # Validation is skipped for its cost, see `pem`.
    return private.private_key(unsafe_skip_rsa_key_validation=True), public.public_key()


def _rsa_public(jwk: Jwk) -> RSAPublicNumbers:
    public = RSAPublicNumbers(_integer(jwk, "e"), _integer(jwk, "n"))
    check_rsa_bits(public.n.bit_length())
    return public


def _integer(jwk: Jwk, name: str) -> int:
    return int.from_bytes(_octets(jwk, name), "big")


def _octets(jwk: Jwk, name: str) -> bytes:
    """Decode the member `name`, tolerating white space and padding. Raises UnusableError."""
    value = jwk.get(name)
    if not isinstance(value, str):
        raise UnusableError(f'is no whole JWK: its member "{name}" is missing or no string')
    compact = "".join(value.split()).rstrip("=")
    octets = b""
    if BASE64URL.fullmatch(compact):
        with suppress(binascii.Error):
            octets = base64.urlsafe_b64decode(compact + "=" * (-len(compact) % 4))
    if not octets:
        raise UnusableError(f'is no whole JWK: its member "{name}" is not base64url')
    return octets


def _names(keys: Sequence[Jwk]) -> str:
    kids = [repr(kid[:MAX_SHOWN]) for key in keys if isinstance(kid := key.get("kid"), str) and kid]
    more = ", ..." if len(kids) > MAX_KIDS_SHOWN else ""
    return ", ".join(kids[:MAX_KIDS_SHOWN]) + more if kids else "keys without kid"
