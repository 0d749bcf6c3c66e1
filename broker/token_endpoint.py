"""The token endpoint (RFC 6749 section 3.2): one POST, and one pure judgement of what came back."""

import math
import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec

from broker.errors import RefusalError, ReplyError
from broker.signer import Signer
from broker.tokens import Token
from broker.transport import Reply, retry_after

#: A lifetime beyond this is not believed to its last second; nobody keeps a process that long.
MAX_LIFETIME = 10 * 365 * 86400.0
# RFC 6749 appendix A.12. A token with a line break in it would forge headers in the workload's requests.
ACCESS_TOKEN = re.compile(r"[\x20-\x7e]+")


def parse_reply(
    reply: Reply,
    *,
    scope: str,
    assume_lifetime: float,
    proof_key: Signer | None = None,
    extra_fields: Collection[str] = (),
) -> Token:
    """The token in `reply`, judged field by field (RFC 6749 section 5.1).

    `scope` is what was asked: an answer that names none granted all of it. `proof_key` is what the request proved
    possession of, if it did: the token must be bound to it (RFC 9449 section 5). Of `extra_fields` those are kept that
    the answer has. Raises RefusalError when the server said no, ReplyError when it said yes in a form that cannot be
    used.
    """
    if 300 <= reply.status < 400:
        raise ReplyError("redirect", f"the token endpoint answered {reply.status}, a redirect, which is never followed")
    if reply.status >= 400 or reply.status < 200:
        raise _refusal(reply)
    if reply.truncated:
        raise ReplyError("too_big", "the answer of the token endpoint is larger than 1 MiB")
    body = _object(reply.body)
    if body is None:
        raise ReplyError(
            "not_json", f"the token endpoint answered {reply.status} with something that is not a JSON object"
        )
    if "access_token" not in body and ("error" in body or "errorCode" in body):
        raise _refusal(reply)
    access_token = body.get("access_token")
    if not isinstance(access_token, str) or not ACCESS_TOKEN.fullmatch(access_token):
        raise ReplyError("access_token", "the answer holds no access_token made of printable ASCII characters")
    granted = body.get("scope")
    lifetime = _seconds(body, "expires_in")
    return Token(
        access_token=access_token,
        token_type=_token_type(body.get("token_type"), bound=proof_key is not None),
        scope=granted if isinstance(granted, str) else scope,
        issued_at=reply.sent_at,
        lifetime=max(1.0, min(lifetime or assume_lifetime, MAX_LIFETIME)),
        refresh_in=_refresh_in(body),
        proof_key=proof_key,
        extra={name: body[name] for name in extra_fields if name in body},
    )


def _refusal(reply: Reply) -> RefusalError:
    body = _object(reply.body) or {}
    error = body.get("error") or body.get("errorCode")
    description = body.get("error_description") or body.get("errorSummary")
    if not isinstance(description, str):
        description = "" if body else _title(reply.body)
    return RefusalError(reply.status, error if isinstance(error, str) else "", description, retry_after(reply))


def _title(body: bytes) -> str:
    """What a gateway's page calls itself: often the only hint at who answered instead of the server."""
    title = re.search(rb"<title[^>]*>([^<]{1,200})", body[:8192], re.IGNORECASE)
    return title[1].decode(errors="replace").strip() if title else ""


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        # Stricter than json: no NaN, and no half of a surrogate pair, which could not be handed out as UTF-8.
        value = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _token_type(value: object, *, bound: bool) -> Literal["Bearer", "DPoP"]:
    """What was asked for, whatever its case (RFC 6749 section 5.1).

    A DPoP token is of no use without its proof key; a Bearer token in its place can be used by whoever finds it, which
    is what somebody configured against.
    """
    if not isinstance(value, str):
        raise ReplyError(
            "token_type", "the answer names no token_type" if value is None else "the answer's token_type is no text"
        )
    match value.lower(), bound:
        case "bearer", False:
            return "Bearer"
        case "dpop", True:
            return "DPoP"
        case "dpop", False:
            raise ReplyError("dpop", "the server granted a DPoP token where a Bearer token was asked for")
        case "bearer", True:
            raise ReplyError("bearer", "the server granted a Bearer token where a DPoP token was asked for")
    raise ReplyError("token_type", f"the answer's token_type is not {'DPoP' if bound else 'Bearer'}")


def _seconds(body: Mapping[str, Any], name: str) -> float | None:
    """A duration that servers write as a number or as a string; 0 and absent both mean that it is not known."""
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,12}(\.\d{1,9})?\s*", value):
        value = float(value)
    # A bool is an int to Python; a huge int does not fit a float.
    usable = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1e15
    if not usable or not math.isfinite(value):
        raise ReplyError("expires_in", f"the answer's {name} is not a number of seconds")
    return float(value)


def _refresh_in(body: Mapping[str, Any]) -> float | None:
    """Only advice: a server that writes nonsense here loses the say, not the token."""
    try:
        return _seconds(body, "refresh_in") or None
    except ReplyError:
        return None
