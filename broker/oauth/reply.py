"""The token endpoint (RFC 6749 section 3.2): one POST, and one pure judgement of what came back."""

import re
from collections.abc import Collection, Mapping
from typing import Any, Literal

from broker.core.errors import RefusalError, ReplyError
from broker.core.signer import Signer
from broker.core.tokens import Token
from broker.http_client.server_json import read_object
from broker.http_client.transport import Reply, retry_after

#: A lifetime beyond this is not believed to its last second; nobody keeps a process that long.
MAX_LIFETIME = 10 * 365 * 86400.0
YEAR = 365 * 86400.0
#: From 2001 in seconds to 2286 in milliseconds: a lifetime of that length is a point in time by mistake.
EPOCH = range(10**9, 10**13)
# RFC 6749 appendix A.12 without the space, which RFC 6750 section 2.1 has no room for. A token with a line break in it
# would forge headers in the workload's requests.
ACCESS_TOKEN = re.compile(r"[\x21-\x7e]+")
#: RFC 6749 section 3.3 and appendix A.4.
SCOPE = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]*")
MAX_SCOPE = 4096
SECONDS = re.compile(r"\s*-?[0-9]{1,400}(\.[0-9]{1,9})?\s*")
#: Deeper values of `extra_fields` could not be written again from within a request.
MAX_DEPTH = 32


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
    body = read_object(reply.body)
    if body is None:
        raise ReplyError(
            "not_json", f"the token endpoint answered {reply.status} with something that is not a JSON object"
        )
    if "access_token" not in body and ("error" in body or "errorCode" in body):
        raise _refusal(reply)
    access_token = _access_token(body)
    granted, scope_remark = _scope(body, scope)
    lifetime = _seconds(body, "expires_in")
    return Token(
        access_token=access_token,
        token_type=_token_type(body.get("token_type"), bound=proof_key is not None),
        scope=granted,
        issued_at=reply.sent_at,
        lifetime=max(1.0, min(lifetime or assume_lifetime, MAX_LIFETIME)),
        refresh_in=_refresh_in(body),
        proof_key=proof_key,
        extra={name: body[name] for name in extra_fields if name in body and _depth_within(body[name], MAX_DEPTH)},
        remarks=tuple(filter(None, (_lifetime_remark(lifetime), scope_remark))),
    )


def _refusal(reply: Reply) -> RefusalError:
    body = read_object(reply.body) or {}
    error = body.get("error") or body.get("errorCode")
    description = body.get("error_description") or body.get("errorSummary")
    if not isinstance(description, str):
        description = "" if body else _title(reply.body)
    return RefusalError(reply.status, error if isinstance(error, str) else "", description, retry_after(reply))


def _title(body: bytes) -> str:
    """What a gateway's page calls itself: often the only hint at who answered instead of the server."""
    title = re.search(rb"<title[^>]*>([^<]{1,200})", body[:8192], re.IGNORECASE)
    return title[1].decode(errors="replace").strip() if title else ""


def _access_token(body: Mapping[str, Any]) -> str:
    text = body.get("access_token")
    if not isinstance(text, str) or not text:
        raise ReplyError("access_token", "the answer has no access_token, or one that is not a string")
    if not ACCESS_TOKEN.fullmatch(text):
        what = "a space" if " " in text else "a character outside printable ASCII"
        raise ReplyError("token_characters", f"the answer's access_token contains {what}")
    return text


def _scope(body: Mapping[str, Any], requested: str) -> tuple[str, str]:
    """The granted scope, and a remark if it cannot be used: `requested` is assumed then, as if none were named.

    A list of texts, which some servers send, is the same as these texts with spaces between.
    """
    value = body.get("scope")
    if value is None:
        return requested, ""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = " ".join(value)
    if isinstance(value, str):
        scope = " ".join(filter(None, value.split(" ")))
        if len(scope) <= MAX_SCOPE and SCOPE.fullmatch(scope):
            return scope, ""
    return requested, (
        "the answer's scope is not a list of scopes (RFC 6749 section 3.3) of at most 4 KiB and is ignored; which of"
        " the requested scopes were granted is not known"
    )


def _depth_within(value: object, levels: int) -> bool:
    """Whether lists and objects in `value` are nested at most `levels` deep."""
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_depth_within(one, levels - 1) for one in inner)


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
    if isinstance(value, str) and SECONDS.fullmatch(value):
        value = float(value)
    if not isinstance(value, int | float) or isinstance(value, bool):  # a bool is an int to Python
        raise ReplyError("expires_in", f"the answer's {name} is not a number of seconds")
    if value < 0:
        raise ReplyError("expired", f"the answer's {name} is negative")
    return float(min(value, EPOCH.stop))  # a huge int, by which some servers mean "never", does not fit a float


def _lifetime_remark(seconds: float | None) -> str:
    """What is odd about a lifetime that is accepted. Without the number, which may differ in every answer."""
    if seconds is None or seconds <= YEAR:
        return ""
    if int(seconds) in EPOCH:
        return (
            "the answer's expires_in is longer than a year and looks like a point in time, where RFC 6749 section 5.1"
            " wants the seconds from now on; the token may expire long before the broker replaces it"
        )
    return (
        "the answer's expires_in is longer than a year; if the token expires earlier, the broker does not replace it in"
        " time"
    )


def _refresh_in(body: Mapping[str, Any]) -> float | None:
    """Only advice: a server that writes nonsense here loses the say, not the token."""
    try:
        return _seconds(body, "refresh_in") or None
    except ReplyError:
        return None
