"""Bytes -> private key, whichever of the accepted forms they are in."""

import base64
import binascii
import json
import re

from broker.keys.jwk import parse_jwk, parse_jwks
from broker.keys.pem import parse_pem
from broker.keys.private import PrivateKey, UnusableError

BASE64 = re.compile(r"[A-Za-z0-9+/]{64,}={0,2}")
NO_KEY = "holds neither PEM nor a JWK or JWKS; convert it, for instance with openssl pkey -in FILE -out key.pem"
STARTS = (b"-----BEGIN", b"{")


def parse(content: bytes, *, kid: str | None = None, passphrase: bytes | None = None) -> PrivateKey:
    """The private signing key in `content`: PEM, JWK, JWKS (of which `kid` picks one), or any of them in base64.

    Raises UnusableError.
    """
    text = _text(content)
    if not text:
        raise UnusableError("is empty; write the key into it")
    if text.startswith("{"):
        members = _members(text)
        return parse_jwks(members["keys"], kid) if "keys" in members else parse_jwk(members)
    if "-----BEGIN " in text:
        return parse_pem(text, passphrase)
    if (inner := _unwrapped(text)) is not None:
        return parse(inner, kid=kid, passphrase=passphrase)
    if text.startswith(("ssh-", "ecdsa-")):
        raise UnusableError("holds a public key only; name the file with the private key")
    raise UnusableError(NO_KEY)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        pass
    raise UnusableError(NO_KEY)


def _members(text: str) -> dict[str, object]:
    try:
        # An object, for it starts like one.
        members: dict[str, object] = json.loads(text)
    except (ValueError, RecursionError):
        pass
    else:
        return members
    raise UnusableError("is not valid JSON, as if cut off; write it again, whole")


def _unwrapped(text: str) -> bytes | None:
    """What base64 hides: a Secret written with one encoding too many is a common slip."""
    compact = "".join(text.split())
    if not BASE64.fullmatch(compact):
        return None
    try:
        inner = base64.b64decode(compact)
    except binascii.Error:
        return None
    return inner if inner.startswith(STARTS) else None
