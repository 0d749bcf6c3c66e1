"""Verification of DPoP proofs (RFC 9449 section 4.3), with Okta's error texts."""

import base64
import hashlib
import secrets
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from cachetools import TTLCache
from joserfc import jws
from joserfc.errors import JoseError

from broker.devserver import texts
from broker.devserver.keysets import parse
from broker.devserver.received import ALGORITHMS, REGISTRY, compact
from broker.devserver.texts import RefusedError

#: Seconds from `iat` during which a proof is accepted. An `iat` in the future is rejected without tolerance.
GOOD_FOR: Final = 300
#: Seconds until a new nonce is issued, and during which a nonce is accepted.
NONCE_LASTS: Final = 86_400
NONCE_GOOD_FOR: Final = 3 * 86_400
_JTIS_KEPT = 100_000


class ProofVerifier:
    """Verifies the proofs of one endpoint. `nonce_required` may change at any time; `now` is the clock without skew."""

    def __init__(self, now: Callable[[], float], *, nonce_required: bool) -> None:
        self.nonce_required = nonce_required
        self._now = now
        self._nonces: TTLCache[str, None] = TTLCache(100, NONCE_GOOD_FOR, timer=now)
        self._newest = ""
        self._renew_at = float("-inf")
        # Twice a proof's maximum age, in case the clock is set back.
        self._spent: TTLCache[tuple[str, str], None] = TTLCache(_JTIS_KEPT, 2 * GOOD_FOR, timer=now)

    def nonce(self) -> str:
        """Return the current nonce, renewing it if due."""
        if self._now() >= self._renew_at:
            self._newest, self._renew_at = secrets.token_urlsafe(18), self._now() + NONCE_LASTS
            self._nonces[self._newest] = None
        return self._newest

    def renew_nonce(self, *, forget: bool = True) -> None:
        """Issue a new nonce from now on. `forget`: reject older nonces at once."""
        self._renew_at = float("-inf")
        if forget:
            self._nonces.clear()

    def judge(self, sent: Sequence[str], *, method: str, url: str, now: float, access_token: str | None = None) -> str:
        """Verify the one proof in `sent`, the values of the header `DPoP`; return its key's thumbprint (RFC 7638).

        `url` is the request's URL without query, `now` epoch seconds, `access_token` the token sent to an API. Raises
        RefusedError.
        """
        if not sent:
            raise RefusedError(texts.PROOF_MISSING)
        if len(sent) > 1:
            raise RefusedError(texts.PROOFS)
        signed, claims = compact(sent[0])
        if signed is None or "crit" in signed.headers():
            raise RefusedError(texts.PROOF_PARSING)
        thumbprint = _signature(signed)
        _times(claims, now)
        if claims.get("htm") != method:
            raise RefusedError(texts.PROOF_HTM)
        if claims.get("htu") != url:
            raise RefusedError(texts.PROOF_HTU)
        if access_token is not None and claims.get("ath") != _hash(access_token):
            raise RefusedError(texts.PROOF_ATH)
        self._spend(thumbprint, claims.get("jti"))
        self._check_nonce(claims.get("nonce"))
        return thumbprint

    def _spend(self, thumbprint: str, jti: object) -> None:
        """Consume the `jti` of an authentic proof, even if the request is rejected later."""
        if not isinstance(jti, str) or not jti:
            raise RefusedError(texts.PROOF_JTI)
        if (thumbprint, jti) in self._spent:
            raise RefusedError(texts.PROOF_REPLAYED)
        self._spent[thumbprint, jti] = None

    def _check_nonce(self, nonce: object) -> None:
        if nonce is None and not self.nonce_required:
            return
        self.nonce()
        if not isinstance(nonce, str) or nonce not in self._nonces:
            raise RefusedError(texts.USE_NONCE)


def _signature(signed: jws.CompactSignature) -> str:
    """Verify the signature with the public key in the header; return its thumbprint."""
    header = signed.headers()
    if header.get("typ") != "dpop+jwt":
        raise RefusedError(texts.PROOF_TYPE)
    if header.get("alg") not in ALGORITHMS:
        raise RefusedError(texts.PROOF_ALGORITHM)
    try:
        (registered,) = parse({"keys": [header.get("jwk")]})
    except ValueError as error:  # no key, a private one, or one of a type that Okta does not take
        raise RefusedError(texts.PROOF) from error
    try:
        REGISTRY.get_alg(header["alg"]).check_key(registered.key)
    except JoseError as error:
        raise RefusedError(texts.PROOF_ALGORITHM) from error
    try:
        genuine = jws.validate_compact(signed, registered.key, registry=REGISTRY)
    except JoseError as error:  # a header of the wrong type
        raise RefusedError(texts.PROOF_PARSING) from error
    if not genuine:
        raise RefusedError(texts.PROOF_SIGNATURE)
    return registered.key.thumbprint()


def _times(claims: Mapping[str, Any], now: float) -> None:
    iat, exp = claims.get("iat"), claims.get("exp", now + 1)
    if not isinstance(iat, int | float) or isinstance(iat, bool) or not isinstance(exp, int | float):
        raise RefusedError(texts.PROOF_IAT)
    if iat > now:
        raise RefusedError(texts.PROOF_IN_FUTURE)
    if now - iat > GOOD_FOR:
        raise RefusedError(texts.PROOF_TOO_OLD)
    if exp <= now:
        raise RefusedError(texts.PROOF_EXPIRED)


def _hash(access_token: str) -> str:
    digest = hashlib.sha256(access_token.encode(errors="surrogateescape")).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
