"""The body of `POST /v1/tokens/{name}/rejected`: which token an API rejected. No I/O."""

import hashlib
import hmac
import re
from dataclasses import dataclass, field
from typing import Final

from broker.workload_api.answers import Problem
from broker.workload_api.json_body import members_of
from broker.workload_api.v1.query import invalid

FINGERPRINT: Final = re.compile(r"[0-9a-f]{12}")
UNREADABLE: Final = invalid(
    'The body must be {"access_token": "…"}, or {"fingerprint": "…"} with the first 12 hex digits of its SHA-256'
)


@dataclass(frozen=True, slots=True)
class Report:
    """Identifies the rejected token, by itself or by its fingerprint."""

    access_token: str = field(default="", repr=False)
    fingerprint: str = ""

    def matches(self, access_token: str) -> bool:
        """Whether the report is for `access_token`. Compares in constant time."""
        if self.fingerprint:
            return hmac.compare_digest(self.fingerprint, fingerprint(access_token))
        reported = self.access_token.encode(errors="surrogatepass")  # JSON may contain an unpaired surrogate
        return hmac.compare_digest(reported, access_token.encode())


def fingerprint(access_token: str) -> str:
    """The first 12 hex digits of the token's SHA-256: identifies a token without revealing it."""
    return hashlib.sha256(access_token.encode()).hexdigest()[:12]


def parse_report(body: bytes) -> Report | Problem:
    """Parse a JSON object with exactly one member, `access_token` or `fingerprint`."""
    match members_of(body):
        case {"access_token": str(token), **other} if token and not other:
            return Report(access_token=token)
        case {"fingerprint": str(digits), **other} if FINGERPRINT.fullmatch(digits) and not other:
            return Report(fingerprint=digits)
        case _:
            return UNREADABLE
