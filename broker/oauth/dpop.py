"""Proofs of possession (RFC 9449 section 4): that who sends a request holds the key that its token is bound to.

No I/O. Who may have a proof of what is not decided here.
"""

import base64
import hashlib
import math
import re
import secrets
from collections.abc import Mapping
from typing import Any, Final

from cachetools import LRUCache
from joserfc import jwt
from yarl import URL

#: The members that make a key (RFC 7638 section 3.2, RFC 8037 section 2). Nothing else goes into a proof's header: a
#: `kid`, `use` or `alg` there is one more thing for a server to stumble over.
REQUIRED: Final = {"EC": ("kty", "crv", "x", "y"), "RSA": ("kty", "n", "e"), "OKP": ("kty", "crv", "x")}
#: Servers give some 40 characters; the proof is a header field, and those have limits everywhere.
LONGEST_NONCE: Final = 256
_NONCE = re.compile(rf"[\x21\x23-\x5b\x5d-\x7e]{{1,{LONGEST_NONCE}}}")  # 1*NQCHAR, RFC 9449 section 8.1
#: One broker talks to a handful of servers.
_ORIGINS = 100


def make_proof(
    key: Any,  # noqa: ANN401 - in the form joserfc takes, see signer.Signer.sign
    *,
    algorithm: str,
    public_jwk: Mapping[str, str],
    method: str,
    url: str,
    issued_at: float,
    nonce: str | None = None,
    access_token: str | None = None,
) -> str:
    """A proof for one request of `method` to `url` (RFC 9449 section 4.2), the value of its `DPoP` header.

    `issued_at` is epoch seconds, rounded down. `nonce` is the newest that the server of `url` gave. `access_token` is
    the token that goes with it, ASCII, at a resource; there is none yet at a token endpoint. Each proof is good once.
    Raises what `key` raises when it cannot sign.
    """
    header = {
        "typ": "dpop+jwt",
        "alg": algorithm,
        "jwk": {name: public_jwk[name] for name in REQUIRED[public_jwk["kty"]]},
    }
    claims: dict[str, object] = {
        "jti": secrets.token_urlsafe(24),
        "htm": method,
        "htu": re.split("[?#]", url, maxsplit=1)[0],
        "iat": math.floor(issued_at),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    if access_token is not None:
        claims["ath"] = _hash(access_token)
    return jwt.encode(header, claims, key, algorithms=[algorithm])


def _hash(access_token: str) -> str:
    digest = hashlib.sha256(access_token.encode("ascii")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def is_nonce(text: str) -> bool:
    """Whether a server may have meant `text` as a nonce: no quotation mark, backslash, space or control character."""
    return _NONCE.fullmatch(text) is not None


class Nonces:
    """The newest nonce that each server gave: one for an origin, whatever the path (RFC 9449 section 8.2)."""

    def __init__(self) -> None:
        self._nonces: LRUCache[str, str] = LRUCache(_ORIGINS)

    def get(self, url: str) -> str | None:
        """What a proof for the absolute `url` should carry; `None` when its server has given nothing."""
        return self._nonces.get(_origin(url))

    def put(self, url: str, nonce: str) -> None:
        """Keep what the server of `url` said in `DPoP-Nonce`, unless that is no nonce."""
        if is_nonce(nonce):
            self._nonces[_origin(url)] = nonce


def _origin(url: str) -> str:
    return str(URL(url).origin())  # as a text: two URLs of one origin, with the port written and without, are unequal
