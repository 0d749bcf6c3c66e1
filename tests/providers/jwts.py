"""JWTs as authorization servers read them: nothing here is the broker's."""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

Key = RSAKey | ECKey


class Refused(Exception):  # noqa: N818 - as servers say it
    """The server's no."""

    def __init__(self, error: str, description: str = "", *, status: int = 400, **headers: str) -> None:
        super().__init__(error)
        self.body = {"error": error} | ({"error_description": description} if description else {})
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(frozen=True)
class Jwt:
    """One compact JWS (RFC 7515 section 3.1), not verified yet."""

    compact: str
    header: dict[str, Any]
    claims: dict[str, Any]

    def is_signed_by(self, key: Key, *algorithms: str) -> bool:
        """Whether `key` made the signature, with one of the algorithms."""
        try:
            jwt.decode(self.compact, key, algorithms=list(algorithms))
        except (JoseError, ValueError):
            return False
        return True

    def lives(self, now: float, *, longest: float, skew: float = 0) -> bool:
        """Whether `iat` and `exp` are there, around `now`, and not further apart than `longest` seconds."""
        issued, expires = self.claims.get("iat"), self.claims.get("exp")
        if type(issued) is not int or type(expires) is not int:
            return False
        return issued <= now + skew and now < expires <= issued + longest


def read(compact: str, *, else_say: Refused) -> Jwt:
    """The parts of a JWT; `else_say` is raised for what is none."""
    try:
        header, claims, _ = compact.split(".")
        return Jwt(compact, _object(header), _object(claims))
    except ValueError:
        raise else_say from None


def sign(key: Key, claims: Mapping[str, object], algorithm: str = "RS256", **header: object) -> str:
    """A JWT for the tests of the servers themselves; `x5t_S256` stands for x5t#S256."""
    named = {"typ": "JWT", **{name.replace("_", "#"): value for name, value in header.items() if value is not None}}
    return jwt.encode({"alg": algorithm, **named}, dict(claims), key, algorithms=[algorithm])


def b64(octets: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def sha256(octets: bytes) -> str:
    """As thumbprints and `ath` are written."""
    return b64(hashlib.sha256(octets).digest())


def _object(part: str) -> dict[str, Any]:
    value = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return dict(value) if isinstance(value, dict) else {}
