"""Which private keys are accepted at all, however they are written down."""

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

#: By the name of RFC 7518 section 6.2.1.1; the others of the registry sign nothing that servers take.
CURVES = {"P-256": SECP256R1(), "P-384": SECP384R1(), "P-521": SECP521R1()}
NAMES = {curve.name: name for name, curve in CURVES.items()}
SUPPORTED = "RSA, EC (P-256, P-384, P-521) and Ed25519"
MIN_RSA_BITS = 2048
#: OpenSSL verifies no signature of a larger one, and making one would take minutes.
MAX_RSA_BITS = 16384
MAX_KID = 255


class UnusableError(Exception):
    """Why a file is no key for us: what follows its name in the sentence, with the fix.

    Never has a cause or context: the errors of the libraries hold what they could not read.
    """


class Holder(Struct, frozen=True, kw_only=True):
    """Whose key it is, as its file says: the `member` that says so, and what it says."""

    member: str
    name: str


class PublicKey(Struct, frozen=True, kw_only=True):
    """The public half of a key that is not here. `kid` and `alg` are a JWK's own."""

    public: NativePublic
    kid: str | None = None
    alg: str | None = None

    @property
    def kind(self) -> str:
        """`RSA`, or the curve's JOSE name: what decides about the algorithm."""
        return kind_of(self.public)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateKey:
    """A private key as a file holds it; nothing has been signed with it yet.

    `public` is what the file itself says is the public half, where it says so. `kid` and `alg` are a JWK's own,
    `holder` is told by the key files of some providers.
    """

    native: Native = field(repr=False)
    public: NativePublic
    kid: str | None = None
    alg: str | None = None
    holder: Holder | None = None

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
    """`key` if its kind and size are ours. Raises UnusableError."""
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
    """Raises UnusableError when an RSA modulus of so many bits is too small (RFC 7518 section 3.3) or too large."""
    if bits < MIN_RSA_BITS:
        raise UnusableError(
            f"holds an RSA key of {bits} bits, and fewer than {MIN_RSA_BITS} are refused (RFC 7518 section 3.3); make a"
            " new one with token-broker keygen"
        )
    if bits > MAX_RSA_BITS:
        raise UnusableError(f"holds an RSA key of {bits} bits, more than the {MAX_RSA_BITS} that OpenSSL verifies")


def is_kid(text: str) -> bool:
    """Whether `text` may be a key id: one that is shown and sent. A key or a PEM in its place is neither."""
    return 0 < len(text) <= MAX_KID and text.isprintable() and not text.startswith(("{", "-----"))


def kid_in(members: Mapping[str, object], name: str) -> str | None:
    """The key id that a file's member `name` says, if it says one. Raises UnusableError."""
    kid = members.get(name)
    if kid is None or kid == "":
        return None
    if not isinstance(kid, str) or not is_kid(kid):
        raise UnusableError(f'has a member "{name}" that is no string, too long or not printable; correct it')
    return kid


def unsupported_curve(name: str) -> str:
    """The predicate for a curve that servers do not take."""
    return f"holds a key on the curve {name}, which is not supported; use one of {SUPPORTED}"
