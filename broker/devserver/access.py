"""Access tokens as JWTs (RFC 9068), readable while debugging; clients must treat them as opaque, as at Okta."""

import math
import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

_ALGORITHM = "ES256"


class AccessTokens:
    """Issues and verifies access tokens with an ephemeral key."""

    def __init__(self) -> None:
        self._key = ECKey.generate_key("P-256", {"use": "sig", "alg": _ALGORITHM}, auto_kid=True)

    def jwks(self) -> dict[str, object]:
        """The public key as a JWKS."""
        return {"keys": [self._key.as_dict(private=False)]}

    def mint(
        self,
        *,
        issuer: str,
        client_id: str,
        scopes: Sequence[str],
        lifetime: float,
        now: float,
        bound_to: str | None = None,
    ) -> str:
        """Issue a token valid for `lifetime` seconds. `exp` is rounded up, so the token lives at least that long.

        `bound_to` is the thumbprint of the DPoP key (`cnf.jkt`, RFC 9449 section 6).
        """
        claims: dict[str, object] = {
            "ver": 1,
            "jti": f"AT.{uuid.uuid4()}",
            "iss": issuer,
            "aud": issuer,
            "sub": client_id,
            "cid": client_id,
            "iat": int(now),
            "exp": math.ceil(now + lifetime),
            "scp": list(scopes),
        }
        if bound_to is not None:
            claims["cnf"] = {"jkt": bound_to}
        return jwt.encode({"alg": _ALGORITHM, "kid": self._key.kid, "typ": "at+jwt"}, claims, self._key)

    def claims(self, token: str) -> Mapping[str, Any] | None:
        """Return the claims of a token issued here, expired or not; `None` for any other."""
        try:
            return jwt.decode(token, self._key, algorithms=[_ALGORITHM]).claims
        except (JoseError, ValueError):
            return None
