"""PEM -> private key: PKCS#8, PKCS#1, SEC1 and OpenSSH, plain or encrypted."""

import re
from collections.abc import Callable
from enum import Enum, auto

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_ssh_private_key

from broker.keys.private import SUPPORTED, PrivateKey, UnusableError, accept

DAMAGED = f"holds a private key that cannot be read: damaged, or none of {SUPPORTED}"
#: The IV has the cipher's length: with a shorter one cryptography panics and prints a trace to stderr.
DEK_INFO = re.compile(rb"^DEK-Info: ?(DES-EDE3-CBC,[0-9A-Fa-f]{16}|AES-[0-9]+-CBC,[0-9A-Fa-f]{32})$", re.MULTILINE)
BLOCK = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(?P<body>.*?)-----END \1-----", re.DOTALL)


class PemFailure(Enum):
    """Why a PEM block gave no key."""

    ENCRYPTED = auto()
    UNSUPPORTED = auto()
    DAMAGED = auto()


def parse_pem(text: str, passphrase: bytes | None) -> PrivateKey:
    r"""Return the one private key in `text`. Raises UnusableError.

    The block may be among certificates and parameters, be indented, or have a literal `\n` for line ends, as in
    environment variables and JSON. A passphrase for an unencrypted key is ignored, so that a plain key can replace an
    encrypted one without a change of configuration.
    """
    text = text.replace("\\r", "").replace("\\n", "\n")
    # Line by line, since the header of an encrypted PKCS#1 block ends with an empty line.
    text = "\n".join(line.strip() for line in text.splitlines())
    blocks = [match for match in BLOCK.finditer(text) if match[1].endswith("PRIVATE KEY")]
    if not blocks:
        raise UnusableError(_why_no_private_key(text))
    if len(blocks) > 1:
        raise UnusableError(f"holds {len(blocks)} private keys; leave one, or name each in a file of its own")
    load = load_ssh_private_key if blocks[0][1].startswith("OPENSSH") else load_pem_private_key
    # A PEM from JSON may contain a lone surrogate, which cannot be encoded.
    native = accept(_open(load, blocks[0][0].encode(errors="replace"), passphrase))
    return PrivateKey(native=native, public=native.public_key())


def _why_no_private_key(text: str) -> str:
    labels = [match[1] for match in BLOCK.finditer(text)]
    if any(label.endswith("PUBLIC KEY") for label in labels):
        return "holds a public key only; name the file with the private key"
    if any("CERTIFICATE" in label for label in labels):
        return "holds a certificate only; name the file with its private key"
    if not labels:
        return "ends in the middle of a PEM block; write it again, whole"
    return "holds no private key among its PEM blocks; name the file with the private key"


def _open(load: Callable[..., object], block: bytes, passphrase: bytes | None) -> object:
    """Load `block`, decrypting it if needed. Raises UnusableError."""
    if b"DEK-Info:" in block and not DEK_INFO.search(block):
        raise UnusableError(DAMAGED)
    found = _loaded(load, block, None)
    if found is PemFailure.ENCRYPTED:
        if not passphrase:
            raise UnusableError("is encrypted; put its passphrase into a file and name that as passphrase_file")
        found = _loaded(load, block, passphrase)
        if found is PemFailure.UNSUPPORTED:
            raise UnusableError(
                "is encrypted in a way that is not supported (OpenSSH's own is not); convert it with"
                " openssl pkcs8 -topk8 or ssh-keygen -p -m PKCS8"
            )
        if isinstance(found, PemFailure):
            raise UnusableError(
                "is not opened by the passphrase in passphrase_file; correct that, or the key file is damaged"
            )
    if isinstance(found, PemFailure):
        raise UnusableError(DAMAGED)
    return found


def _loaded(load: Callable[..., object], block: bytes, passphrase: bytes | None) -> object:
    """Return the key, or a PemFailure.

    RSA validation is skipped: OpenSSL's holds the GIL for 41 ms (2048 bits) to 290 ms (4096 bits). `local.seal` makes a
    trial signature instead.
    """
    try:
        return load(block, passphrase, unsafe_skip_rsa_key_validation=True)
    except TypeError:
        return PemFailure.ENCRYPTED
    except UnsupportedAlgorithm:
        return PemFailure.UNSUPPORTED
    except BaseException as error:
        # An OpenSSH key may raise NotImplementedError, and a Rust panic is not an Exception.
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        return PemFailure.DAMAGED
