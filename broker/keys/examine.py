"""The full check of an RSA key: too slow for the daemon, fast enough for `token-broker check`."""

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from broker.core.settings import KeySettings
from broker.keys.files import read
from broker.keys.parse import parse


def is_sound(entry: KeySettings) -> bool:
    """Whether OpenSSL finds the numbers of the key in `entry` consistent; always true for elliptic curves.

    The trial signature of `local.seal` misses errors that OpenSSL works around, such as a wrong prime. Blocks for 41 ms
    (2048 bits) to 290 ms (4096 bits). Raises KeyFileError and UnusableError.
    """
    content = read(entry)
    native = parse(content.key, kid=content.kid, passphrase=content.passphrase).native
    if not isinstance(native, RSAPrivateKey):
        return True
    try:
        native.private_numbers().private_key()
    except ValueError:
        return False
    return True
