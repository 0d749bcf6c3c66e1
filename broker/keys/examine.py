"""The full check of an RSA key, which costs too much for a daemon and not too much for `token-broker check`."""

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from broker.core.settings import KeySettings
from broker.keys.files import read
from broker.keys.parse import parse


def is_sound(entry: KeySettings) -> bool:
    """Whether the numbers of the key in `entry` belong together, as far as OpenSSL can tell.

    The one signature that a key makes before it is used (`local.seal`) does not find what OpenSSL works around, such as
    a wrong prime. Of an elliptic curve there is nothing more to check. Blocks for 41 ms (2048 bits) to 290 ms (4096).
    Raises KeyFileError and UnusableError.
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
