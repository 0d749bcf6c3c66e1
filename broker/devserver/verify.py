"""Checks of a token request, without clock or I/O. Each raises RefusedError with Okta's error text."""

import re
from collections.abc import Collection, Container, Mapping, Sequence
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError

from broker.devserver import texts
from broker.devserver.keysets import RegisteredKey
from broker.devserver.received import ALGORITHMS, REGISTRY, ReceivedRequest
from broker.devserver.texts import RefusedError

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
MAX_LIFETIME = 3600
#: An `exp` beyond this (the year 5138) is in milliseconds by mistake.
_MILLISECONDS = 1e11
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3
_OPENID = frozenset({"openid", "profile", "email", "address", "phone", "offline_access", "groups", "device_sso"})


def grant_type(received: ReceivedRequest) -> None:
    """Check that the form is well-formed and requests the only supported grant."""
    if received.trouble:
        raise RefusedError(received.trouble)
    if not (grant := received.form.get("grant_type")):
        raise RefusedError(texts.NO_GRANT_TYPE)
    if grant != texts.GRANT_TYPES:
        raise RefusedError(texts.GRANT_TYPE)


def method(received: ReceivedRequest, clients: Container[str]) -> None:
    """Check that the client authenticates with an assertion only (RFC 7523 section 2.2)."""
    form = received.form
    asserts = "client_assertion" in form or "client_assertion_type" in form
    used = [asserts, "client_secret" in form, received.authorization != "absent"]
    if sum(used) > 1:
        raise RefusedError(texts.SEVERAL_CREDENTIALS)
    if received.authorization == "unusable":
        raise RefusedError(texts.BAD_AUTHORIZATION)
    if not any(used) and "client_id" not in form:
        raise RefusedError(texts.NO_CREDENTIALS)
    if not asserts:
        if received.client_id not in clients:
            raise RefusedError(texts.CLIENT_ID)
        raise RefusedError(texts.SECRET if any(used) else texts.CLIENT)
    if form.get("client_assertion_type") != ASSERTION_TYPE:
        raise RefusedError(texts.ASSERTION_TYPE)
    if not form.get("client_assertion"):
        raise RefusedError(texts.NO_CREDENTIALS)


def assertion(received: ReceivedRequest) -> jws.CompactSignature:
    """Return the assertion if it is a JWT with an algorithm that Okta accepts: no PS*, no EdDSA."""
    # No critical extension is supported (RFC 7515 section 4.1.11); joserfc fails on a `crit` that is not a list.
    if not received.signed or "crit" in received.header or not isinstance(received.claims.get("jti", ""), str):
        raise RefusedError(texts.PARSING)
    if received.algorithm not in ALGORITHMS:
        raise RefusedError(texts.ALGORITHM)
    return received.signed


def identity(received: ReceivedRequest, clients: Container[str]) -> str:
    """Return the client id: `iss`, which must equal `sub` (RFC 7523 section 3) and the form's `client_id`."""
    issuer = received.claims.get("iss")
    if not isinstance(issuer, str) or issuer not in clients:
        raise RefusedError(texts.ISSUER)
    if received.claims.get("sub") != issuer:
        raise RefusedError(texts.SUBJECT)
    if received.form.get("client_id", issuer) != issuer:
        raise RefusedError(texts.CLIENT_ID)
    return issuer


def signature(signed: jws.CompactSignature, keys: Sequence[RegisteredKey], jwks_uri: str | None) -> None:
    """Verify the signature with the key that `kid` names. `kid` is optional if the client has one key."""
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
    """Check audience and times, without leeway. `endpoint` is the URL as requested, `now` epoch seconds."""
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
    """Return the requested scopes that the client has; others are dropped silently.

    `granted` is `None` for all. `known` are the existing scopes besides Okta's own `okta.*`.
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
