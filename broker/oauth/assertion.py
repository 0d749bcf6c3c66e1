"""The JWT that a client proves itself with, or that is the grant itself (RFC 7523 section 3)."""

import copy
import math
import secrets
from collections.abc import Callable, Mapping
from typing import Any, cast

from authlib.oauth2.rfc7523 import JWTBearerGrant
from joserfc.jws import JWSRegistry

from broker.core.settings import RESERVED_CLAIMS


def _without_warning(name: str) -> None:
    """Put a quiet twin of the algorithm into joserfc's registry.

    joserfc warns at each use of `EdDSA`, since RFC 9864 prefers `Ed25519`, a name that some servers do not know. This
    silences that warning and no other, for good; a filter would be dropped by whoever sets filters next.
    """
    model = copy.copy(JWSRegistry.algorithms[name])
    model.security_warning = None
    JWSRegistry.register(model)


_without_warning("EdDSA")


def make_assertion(
    key: Any,  # noqa: ANN401 - in the form joserfc takes, see signer.Signer.sign
    *,
    issuer: str,
    subject: str | None,
    audience: str,
    algorithm: str,
    kid: str | None,
    x5t: str | None = None,
    typ: str,
    lifetime: float,
    issued_at: float,
    claims: Mapping[str, object],
    jti: str | None = None,
) -> str:
    """A signed assertion of `issuer` about `subject`, who may be nobody.

    It is good for `lifetime` seconds from `issued_at` (epoch seconds, rounded down). `claims` are further ones; those
    in `RESERVED_CLAIMS` are dropped. `jti` is fresh unless given: servers take each one once (RFC 7523 section 3, item
    7). `x5t` is the thumbprint of the key's certificate (RFC 7515 section 4.1.8). Raises what `key` raises when it
    cannot sign.
    """
    iat = math.floor(issued_at)
    named = {"typ": typ, "kid": kid, "x5t#S256": x5t}
    further = {name: value for name, value in claims.items() if name not in RESERVED_CLAIMS}
    # Not its private_key_jwt_sign, which is this with the subject always the issuer. Authlib writes into both dicts, so
    # that a dict used twice would mean the same `jti` twice.
    sign = cast("Callable[..., str]", JWTBearerGrant.sign)  # the stubs leave it untyped
    return sign(
        key,
        issuer,
        audience,
        subject,
        issued_at=iat,
        expires_at=iat + math.ceil(lifetime),
        claims=further | {"jti": jti or secrets.token_urlsafe(24)},
        alg=algorithm,
        header={name: value for name, value in named.items() if value is not None},
    )
