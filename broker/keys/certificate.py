"""X.509 certificates: for servers that identify a key by its certificate's thumbprint, such as Microsoft Entra ID."""

import base64
import binascii
import hashlib
import math
from collections.abc import Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import InvalidVersion, load_der_x509_certificate
from msgspec import Struct

from broker.keys.pem import BLOCK
from broker.keys.private import NativePublic, UnusableError

DAY = 86400.0
#: Issuing and registering a certificate by hand can take weeks: warn a month ahead. cert-manager renews when a third of
#: the lifetime is left: warn about short-lived certificates only when a quarter is left.
WARN_AHEAD = 30 * DAY
WARN_SHARE = 0.25
DAMAGED = "holds a certificate that cannot be read; export it again"


class Certificate(Struct, frozen=True, kw_only=True):
    """A certificate's thumbprint and validity."""

    x5t: str
    """SHA-256 of the DER in base64url without padding: `x5t#S256` (RFC 7515 section 4.1.8)."""
    not_before: float
    """Wall clock, epoch seconds."""
    not_after: float
    """Wall clock, epoch seconds."""

    def days_left(self, wall: float) -> int | None:
        """Whole days until expiry, negative once expired; `None` while it is too early for a warning."""
        ahead = min(WARN_AHEAD, WARN_SHARE * (self.not_after - self.not_before))
        left = self.not_after - wall
        return math.floor(left / DAY) if left < ahead else None


def parse_certificate(content: bytes, public: NativePublic, *, key_file: str) -> Certificate:
    """Return the first certificate in the PEM `content`, which must belong to the key in `key_file`.

    Neither the rest of the chain nor the validity period is checked: the server decides. Raises UnusableError.
    """
    ders = _ders(content)
    found, holder = _read(ders[0])
    if holder == public:
        return found
    if any(_read(der)[1] == public for der in ders[1:]):
        raise UnusableError(f"has the certificate of the key in {key_file} behind another; put it first")
    raise UnusableError(f"holds the certificate of another key than the one in {key_file}; name the one issued for it")


def _ders(content: bytes) -> Sequence[bytes]:
    r"""The DER of each certificate block. As in `pem`, blocks may be indented or have a literal `\n` for line ends."""
    text = content.decode("ascii", "replace").replace("\\r", "").replace("\\n", "\n")
    blocks = [match for match in BLOCK.finditer(text) if match[1] == "CERTIFICATE"]
    if not blocks:
        raise UnusableError(
            "holds no certificate in PEM (BEGIN CERTIFICATE); convert it with openssl x509 -inform DER -in FILE, or"
            " name the right file"
        )
    try:
        return [base64.b64decode("".join(match["body"].split()), validate=True) for match in blocks]
    except binascii.Error:
        raise UnusableError(DAMAGED) from None


def _read(der: bytes) -> tuple[Certificate, object]:
    """Return the certificate and its public key. Raises UnusableError."""
    try:
        found = load_der_x509_certificate(der)
        start, end = found.not_valid_before_utc, found.not_valid_after_utc
        x5t = base64.urlsafe_b64encode(hashlib.sha256(der).digest()).rstrip(b"=").decode()
        certificate = Certificate(x5t=x5t, not_before=start.timestamp(), not_after=end.timestamp())
        return certificate, found.public_key()
    except (ValueError, UnsupportedAlgorithm, InvalidVersion):
        raise UnusableError(DAMAGED) from None
