"""Bytes in any accepted form -> private key or public keys."""

import base64
import binascii
import json
import re

from broker.keys.accounts import is_account, parse_account
from broker.keys.jwk import jwks_in, parse_jwk, parse_jwks, parse_public_jwk
from broker.keys.pem import parse_pem
from broker.keys.private import PrivateKey, PublicKey, UnusableError

BASE64 = re.compile(r"[A-Za-z0-9+/]{64,}={0,2}")
NO_KEY = "holds neither PEM nor a JWK or JWKS; convert it, for instance with openssl pkey -in FILE -out key.pem"
NO_JWK = "holds neither a JWK nor a JWKS; take the public JWK that token-broker keygen printed"
NO_KID = "holds a key without kid, which a set of keys needs; take the public JWK that token-broker keygen printed"
STARTS = (b"-----BEGIN", b"{")


def parse(content: bytes, *, kid: str | None = None, passphrase: bytes | None = None) -> PrivateKey:
    """Return the private signing key in `content`: PEM, JWK, JWKS (`kid` selects), or a Google or Zitadel key file.

    Each form may be wrapped in base64. Raises UnusableError.
    """
    text = _text(content)
    if not text:
        raise UnusableError("is empty; write the key into it")
    if text.startswith("{"):
        members = _members(text)
        if is_account(members):
            return parse_account(members, passphrase)
        return parse_jwks(members, kid) if "keys" in members else parse_jwk(members)
    if "-----BEGIN " in text:
        return parse_pem(text, passphrase)
    if (inner := _unwrapped(text)) is not None:
        return parse(inner, kid=kid, passphrase=passphrase)
    if text.startswith(("ssh-", "ecdsa-")):
        raise UnusableError("holds a public key only; name the file with the private key")
    raise UnusableError(NO_KEY)


def parse_public(content: bytes) -> list[PublicKey]:
    """Return the public keys in `content`: a JWK or JWKS, private or public, or a Google or Zitadel key file.

    Each must have a `kid` to be distinct in a set, which excludes PEM. Raises UnusableError.
    """
    text = _text(content)
    if not text.startswith("{"):
        raise UnusableError(NO_JWK)
    members = _members(text)
    if is_account(members):
        found = [_half(parse_account(members, None))]
    else:
        listed = jwks_in(members) if "keys" in members else [members]
        found = [_half(parse_jwk(jwk)) if "d" in jwk else parse_public_jwk(jwk) for jwk in listed]
    if not found:
        raise UnusableError("is a JWKS without a key; take the public JWK that token-broker keygen printed")
    if not all(key.kid for key in found):
        raise UnusableError(NO_KID)
    return found


def _half(key: PrivateKey) -> PublicKey:
    return PublicKey(public=key.public, kid=key.kid, alg=key.alg)


def _text(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        pass
    raise UnusableError(NO_KEY)


def _members(text: str) -> dict[str, object]:
    try:
        # The text starts with `{`, so valid JSON is an object.
        members: dict[str, object] = json.loads(text)
    except (ValueError, RecursionError):
        pass
    else:
        return members
    raise UnusableError("is not valid JSON, as if cut off; write it again, whole")


def _unwrapped(text: str) -> bytes | None:
    """Decode base64 around a key: a Kubernetes Secret encoded twice is a common mistake."""
    compact = "".join(text.split())
    if not BASE64.fullmatch(compact):
        return None
    try:
        inner = base64.b64decode(compact)
    except binascii.Error:
        return None
    return inner if inner.startswith(STARTS) else None
