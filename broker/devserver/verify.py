"""The rules: what a token request must be to be granted. No clock, no I/O; each refuses with Okta's words."""

import re
from collections.abc import Collection, Container, Mapping, Sequence
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from broker.devserver import texts
from broker.devserver.asked import ALGORITHMS, REGISTRY, Asked
from broker.devserver.keysets import RegisteredKey
from broker.devserver.texts import RefusedError

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LIFETIME = 3600
#: An `exp` beyond this (the year 5138) was meant as milliseconds.
_MILLISECONDS = 1e11
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3
_OPENID = frozenset({"openid", "profile", "email", "address", "phone", "offline_access", "groups", "device_sso"})


def grant_type(asked: Asked) -> None:
    """The form is readable and asks for the one grant there is."""
    if asked.trouble:
        raise RefusedError(asked.trouble)
    if not (grant := asked.form.get("grant_type")):
        raise RefusedError(texts.NO_GRANT_TYPE)
    if grant != texts.GRANT_TYPES:
        raise RefusedError(texts.GRANT_TYPE)


def method(asked: Asked, clients: Container[str]) -> None:
    """The client authenticates with an assertion (RFC 7523 section 2.2), and with nothing besides."""
    form = asked.form
    asserts = "client_assertion" in form or "client_assertion_type" in form
    used = [asserts, "client_secret" in form, asked.authorization != "absent"]
    if sum(used) > 1:
        raise RefusedError(texts.SEVERAL_CREDENTIALS)
    if asked.authorization == "unusable":
        raise RefusedError(texts.BAD_AUTHORIZATION)
    if not any(used) and "client_id" not in form:
        raise RefusedError(texts.NO_CREDENTIALS)
    if not asserts:
        if asked.client_id not in clients:
            raise RefusedError(texts.CLIENT_ID)
        raise RefusedError(texts.SECRET if any(used) else texts.CLIENT)
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise RefusedError(texts.ASSERTION_TYPE)
    if not form.get("client_assertion"):
        raise RefusedError(texts.NO_CREDENTIALS)


def assertion(asked: Asked) -> jws.CompactSignature:
    """The assertion, if it is a JWT in an algorithm that Okta takes: no PS*, no EdDSA."""
    # No critical extension is understood (RFC 7515 section 4.1.11); joserfc stumbles over a `crit` that is no list.
    if not asked.signed or "crit" in asked.header or not isinstance(asked.claims.get("jti", ""), str):
        raise RefusedError(texts.PARSING)
    if asked.algorithm not in ALGORITHMS:
        raise RefusedError(texts.ALGORITHM)
    return asked.signed


def identity(asked: Asked, clients: Container[str]) -> str:
    """The client_id an assertion is for. `iss` and `sub` are both it (RFC 7523 section 3), and so is the form's."""
    issuer = asked.claims.get("iss")
    if not isinstance(issuer, str) or issuer not in clients:
        raise RefusedError(texts.ISSUER)
    if asked.claims.get("sub") != issuer:
        raise RefusedError(texts.SUBJECT)
    if asked.form.get("client_id", issuer) != issuer:
        raise RefusedError(texts.CLIENT_ID)
    return issuer


def signature(signed: jws.CompactSignature, keys: Sequence[RegisteredKey], jwks_uri: str | None) -> None:
    """One of the client's keys, the one that `kid` names, signed it. `kid` may be left out when there is one key."""
    header = signed.headers()
    if jwks_uri and header.get("jku", jwks_uri) != jwks_uri:
        raise RefusedError(texts.JKU)
    kid = header.get("kid")
    named = [key for key in keys if key.kid == kid] if kid is not None else list(keys)
    if len(named) != 1:
        raise RefusedError(texts.KID)
    registered = named[0]
    if registered.use not in (None, "sig"):
        raise RefusedError(texts.KEY_USE)
    if registered.algorithm not in (None, header["alg"]):
        raise RefusedError(texts.ALGORITHM)
    try:
        REGISTRY.get_alg(header["alg"]).check_key(registered.key)
    except JoseError as error:  # ES256 with an RSA key, ES384 with a P-256 key
        raise RefusedError(texts.ALGORITHM) from error
    try:
        genuine = jws.validate_compact(signed, registered.key, registry=REGISTRY)
    except JoseError as error:  # a header of the wrong type
        raise RefusedError(texts.PARSING) from error
    if not genuine:
        raise RefusedError(texts.SIGNATURE)


def claims(claimed: Mapping[str, Any], endpoint: str, now: float) -> None:
    """Audience and times, without any tolerance. `endpoint` is the URL as it was called, `now` epoch seconds."""
    audience = claimed.get("aud")
    if endpoint not in (audience if isinstance(audience, list) else [audience]):
        raise RefusedError(texts.AUDIENCE)
    exp = claimed.get("exp")
    if not isinstance(exp, int) or isinstance(exp, bool) or exp > _MILLISECONDS:
        raise RefusedError(texts.EXP_MISSING)
    if exp <= now:
        raise RefusedError(texts.EXPIRED)
    if exp - now > MAX_LIFETIME:
        raise RefusedError(texts.EXP_TOO_FAR)
    for since in (claimed.get("iat", 0), claimed.get("nbf", 0)):
        if not isinstance(since, int | float):
            raise RefusedError(texts.PARSING)
        if since > now:
            raise RefusedError(texts.ISSUED_IN_FUTURE)


def scopes(asked_for: str, granted: Collection[str] | None, known: Collection[str]) -> list[str]:
    """The scopes to grant: those asked for that the client has; the others are dropped without a word.

    `granted` of `None` is everything. `known` are the scopes there are besides Okta's own `okta.*`.
    """
    wanted = list(dict.fromkeys(asked_for.split(" "))) if asked_for.strip() else []
    if not wanted:
        raise RefusedError(texts.NO_SCOPE)
    if not all(_SCOPE.fullmatch(scope) for scope in wanted):
        raise RefusedError(texts.MALFORMED_SCOPE)
    if _OPENID & set(wanted):
        raise RefusedError(texts.OPENID_SCOPE)
    if any(scope.startswith("okta.") and scope.endswith(".self") for scope in wanted):
        raise RefusedError(texts.SELF_SCOPE)
    if granted is None:
        return wanted
    if not all(scope.startswith("okta.") or scope in known for scope in wanted):
        raise RefusedError(texts.UNKNOWN_SCOPE)
    if not (allowed := [scope for scope in wanted if scope in granted]):
        raise RefusedError(texts.CONSENT_REQUIRED)
    return allowed
