"""An outgoing HTTP client that records requests and responses without their secrets."""

import base64
import binascii
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from broker.core.events import Observer
from broker.core.settings import Http
from broker.http_client.server_json import read_object
from broker.http_client.transport import NOTHING, Reply, Transport
from broker.oauth.server_clock import ahead_of

#: Recorded parts of an assertion: what servers compare, without signature, `jti` or possible secrets.
HEADERS = ("alg", "kid", "typ", "x5t#S256")
CLAIMS = ("iss", "sub", "aud", "iat", "exp")
#: Response header fields with the server's request ID, for a search in its logs.
REQUEST_IDS = ("X-Okta-Request-Id", "x-ms-request-id", "X-Request-Id", "X-Correlation-Id")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its response."""

    method: str
    url: str
    status: int
    #: Media type of the response.
    kind: str
    #: Title of an HTML response.
    title: str
    #: Target of a redirect.
    location: str
    #: Issuer in server metadata.
    issuer: str | None
    request_id: str
    #: Server clock minus ours, in seconds; `None` if unknown.
    ahead: float | None
    #: Compared header parameters and claims of the assertion.
    shown: Mapping[str, object]


class RecordingTransport(Transport):
    """A `Transport` that records every exchange with a response in `exchanges`, in order."""

    def __init__(self, http: Http, *, now: Callable[[], float], observe: Observer) -> None:
        super().__init__(http, now=now, observe=observe)
        self.exchanges: list[Exchange] = []

    async def get(self, url: str) -> Reply:
        """GET `url` and record the exchange."""
        reply = await super().get(url)
        self.exchanges.append(_exchange("GET", url, reply, {}))
        return reply

    async def post(
        self, url: str, form: Mapping[str, str] | list[tuple[str, str]], headers: Mapping[str, str] = NOTHING
    ) -> Reply:
        """POST `form` and record the exchange, with the assertion in it."""
        reply = await super().post(url, form, headers)
        fields = dict(form)
        assertion = fields.get("client_assertion") or fields.get("assertion") or ""
        self.exchanges.append(_exchange("POST", url, reply, shown(assertion)))
        return reply


def shown(assertion: str) -> dict[str, object]:
    """Return the header parameters and claims of a JWT that servers compare; empty for anything else."""
    parts = assertion.split(".")
    if len(parts) != 3:
        return {}
    header, claims = _members(parts[0]), _members(parts[1])
    return {name: header[name] for name in HEADERS if name in header} | {
        name: claims[name] for name in CLAIMS if name in claims
    }


def _members(part: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        # Reject what JSON output cannot represent: NaN, infinity and lone surrogates.
        json.dumps(found, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, binascii.Error, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _exchange(method: str, url: str, reply: Reply, assertion: Mapping[str, object]) -> Exchange:
    ahead = ahead_of(reply.headers, sent_at=reply.sent_at, received_at=reply.received_at) if reply.authentic else None
    page = re.search(rb"<title[^>]*>([^<]{1,200})", reply.body[:8192], re.IGNORECASE)
    return Exchange(
        method=method,
        url=url,
        status=reply.status,
        kind=reply.headers.get("Content-Type", "").partition(";")[0].strip().lower(),
        title=page[1].decode(errors="replace").strip() if page else "",
        location=reply.headers.get("Location", ""),
        issuer=_issuer(reply) if method == "GET" else None,
        request_id=next((reply.headers[name] for name in REQUEST_IDS if name in reply.headers), ""),
        ahead=ahead,
        shown=assertion,
    )


def _issuer(reply: Reply) -> str | None:
    issuer = (read_object(reply.body) or {}).get("issuer")
    return issuer if isinstance(issuer, str) else None
