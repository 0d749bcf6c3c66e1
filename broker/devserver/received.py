"""A token request, parsed but not verified."""

import base64
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote_plus

from joserfc import jws
from joserfc.errors import JoseError

from broker.devserver import texts
from broker.devserver.texts import ApiError, Refusal

FORM = "application/x-www-form-urlencoded"
ALGORITHMS = ("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")
_COMPACT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]*", re.ASCII)


class _Registry(jws.JWSRegistry):
    """joserfc's limit of 512 bytes for a header rejects `x5c`, which Okta accepts."""

    max_header_length = 16_384


#: Unknown header parameters are ignored (RFC 7515 section 4), unless `crit` names them.
REGISTRY = _Registry(algorithms=ALGORITHMS, strict_check_header=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedRequest:
    """One POST to the token endpoint. None of its claims is verified."""

    form: Mapping[str, str] = field(repr=False)
    authorization: Literal["absent", "basic", "unusable"]
    basic_id: str | None
    signed: jws.CompactSignature | None = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)
    proofs: tuple[str, ...] = field(repr=False)
    """The values of the header `DPoP`."""
    proved: Mapping[str, Any] = field(repr=False)
    """The claims of the DPoP proof; empty unless there is exactly one."""
    trouble: Refusal | ApiError | None
    """Why the request cannot be parsed."""

    @property
    def header(self) -> Mapping[str, Any]:
        """The assertion's header; empty without one."""
        return self.signed.headers() if self.signed else {}

    @property
    def client_id(self) -> str | None:
        """The claimed client: from the assertion, the Basic header or the form, in this order."""
        return _text(self.claims.get("iss")) or self.basic_id or self.form.get("client_id")

    @property
    def jti(self) -> str | None:
        """The assertion's `jti`."""
        return _text(self.claims.get("jti"))

    @property
    def proof_jti(self) -> str | None:
        """The proof's `jti`."""
        return _text(self.proved.get("jti"))

    @property
    def nonce(self) -> str | None:
        """The proof's `nonce`."""
        return _text(self.proved.get("nonce"))

    @property
    def kid(self) -> str | None:
        """The assertion's `kid`."""
        return _text(self.header.get("kid"))

    @property
    def algorithm(self) -> str | None:
        """The assertion's `alg`."""
        return _text(self.header.get("alg"))


def read(body: bytes, content_type: str, authorization: str | None, proofs: Sequence[str] = ()) -> ReceivedRequest:
    """Parse a request. Never raises: `trouble` holds the error, so that the journal can record the request too."""
    form, trouble = _form(body, content_type)
    state, basic_id = _basic(authorization)
    signed, claims = compact(form.get("client_assertion", ""))
    return ReceivedRequest(
        form=form,
        authorization=state,
        basic_id=basic_id,
        signed=signed,
        claims=claims,
        proofs=tuple(proofs),
        proved=compact(proofs[0])[1] if len(proofs) == 1 else {},
        trouble=trouble,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _form(body: bytes, content_type: str) -> tuple[dict[str, str], Refusal | ApiError | None]:
    if content_type != FORM:
        return {}, texts.CONTENT_TYPE
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=100, errors="strict")
    except ValueError:
        return {}, texts.BAD_REQUEST
    twice = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1 and name != "resource"]
    return dict(pairs), texts.duplicated(twice) if twice else None


def _basic(authorization: str | None) -> tuple[Literal["absent", "basic", "unusable"], str | None]:
    """Return the state of the header and the client id (RFC 6749 section 2.3.1). The secret is dropped."""
    if authorization is None:
        return "absent", None
    scheme, _, credentials = authorization.partition(" ")
    try:
        client_id, colon, _ = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        return "unusable", None
    return ("basic", unquote_plus(client_id)) if scheme.lower() == "basic" and colon else ("unusable", None)


def compact(text: str) -> tuple[jws.CompactSignature | None, dict[str, Any]]:
    """Parse a signed JWT and its claims, unverified; `None` and no claims if it is malformed."""
    if not _COMPACT.fullmatch(text):
        return None, {}
    try:
        signed = jws.extract_compact(text.encode(), None, REGISTRY)
        header: object = signed.headers()
        claims = json.loads(signed.payload)
    except (JoseError, ValueError, RecursionError):
        return None, {}
    return (signed, claims) if isinstance(header, dict) and isinstance(claims, dict) else (None, {})
