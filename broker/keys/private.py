"""Accepted private keys, independent of their encoding."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    SECP384R1,
    SECP521R1,
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from msgspec import Struct

Native = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
NativePublic = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

#: Keyed by JOSE name (RFC 7518 section 6.2.1.1). Servers accept no signatures on other curves.
CURVES = {"P-256": SECP256R1(), "P-384": SECP384R1(), "P-521": SECP521R1()}
NAMES = {curve.name: name for name, curve in CURVES.items()}
SUPPORTED = "RSA, EC (P-256, P-384, P-521) and Ed25519"
MIN_RSA_BITS = 2048
#: OpenSSL refuses to verify with larger keys, and generating one would take minutes.
MAX_RSA_BITS = 16384
MAX_KID = 255


class UnusableError(Exception):
    """Why a key file is refused: the predicate that follows its name, with the fix.

    Has no cause or context: library errors may quote the key.
    """


class Holder(Struct, frozen=True, kw_only=True):
    """The client that a provider's key file belongs to."""

    member: str
    """The name of the file's member."""
    name: str
    """Its value."""


class PublicKey(Struct, frozen=True, kw_only=True):
    """A public key without its private half. `kid` and `alg` come from the JWK."""

    public: NativePublic
    kid: str | None = None
    alg: str | None = None

    @property
    def kind(self) -> str:
        """`RSA`, or the curve's JOSE name: determines the algorithms."""
        return kind_of(self.public)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKey:
    """A private key as parsed from a file, before any signature."""

    native: Native = field(repr=False)
    public: NativePublic
    """The file's own public half if it has one, else derived from `native`."""
    kid: str | None = None
    """A JWK's own member, or the key id in a provider's key file."""
    alg: str | None = None
    """A JWK's own member."""
    holder: Holder | None = None
    """Set for the key files of Google and Zitadel."""

    @property
    def kind(self) -> str:
        """As `PublicKey.kind`."""
        return kind_of(self.native)


def kind_of(key: Native | NativePublic) -> str:
    """`RSA`, or the curve's JOSE name."""
    if isinstance(key, RSAPrivateKey | RSAPublicKey):
        return "RSA"
    if isinstance(key, EllipticCurvePrivateKey | EllipticCurvePublicKey):
        return NAMES[key.curve.name]
    return "Ed25519"


def accept(key: object) -> Native:
    """Return `key` if its kind and size are supported. Raises UnusableError."""
    if isinstance(key, RSAPrivateKey):
        check_rsa_bits(key.key_size)
        return key
    if isinstance(key, EllipticCurvePrivateKey):
        if key.curve.name not in NAMES:
            raise UnusableError(unsupported_curve(key.curve.name))
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, X25519PrivateKey | X448PrivateKey):
        raise UnusableError(f"holds a key that agrees on keys and cannot sign; use one of {SUPPORTED}")
    if isinstance(key, Ed448PrivateKey):
        raise UnusableError(unsupported_curve("Ed448"))
    raise UnusableError(f"holds a private key of another kind; use one of {SUPPORTED}")


def check_rsa_bits(bits: int) -> None:
    """Check the size of an RSA modulus (RFC 7518 section 3.3). Raises UnusableError if it is too small or too large."""
    if bits < MIN_RSA_BITS:
        raise UnusableError(
            f"holds an RSA key of {bits} bits, and fewer than {MIN_RSA_BITS} are refused (RFC 7518 section 3.3); make a"
            " new one with token-broker keygen"
        )
    if bits > MAX_RSA_BITS:
        raise UnusableError(f"holds an RSA key of {bits} bits, more than the {MAX_RSA_BITS} that OpenSSL verifies")


def is_kid(text: str) -> bool:
    """Whether `text` is safe to show and send as a key id: short, printable, and neither a JWK nor a PEM."""
    return 0 < len(text) <= MAX_KID and text.isprintable() and not text.startswith(("{", "-----"))


def kid_in(members: Mapping[str, object], name: str) -> str | None:
    """Return the key id in the member `name`, if present. Raises UnusableError."""
    kid = members.get(name)
    if kid is None or kid == "":
        return None
    if not isinstance(kid, str) or not is_kid(kid):
        raise UnusableError(f'has a member "{name}" that is no string, too long or not printable; correct it')
    return kid


def unsupported_curve(name: str) -> str:
    """The text of the UnusableError for an unsupported curve."""
    return f"holds a key on the curve {name}, which is not supported; use one of {SUPPORTED}"
