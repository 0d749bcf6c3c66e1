"""A record of token requests and their outcomes, without assertions, secrets or tokens."""

import json
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cachetools import LRUCache

from broker.devserver.received import ReceivedRequest

Outcome = Literal["issued", "refused", "fault", "lost", "hung", "reset"]
_KEPT = 10_000
_JTIS_KEPT = 200_000
_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One token request. All but `at`, `repeated`, `outcome`, `status` and `sentence` are claims of the client."""

    at: float
    """Time of the answer, epoch seconds of the server's clock without skew."""
    client_id: str | None
    jti: str | None
    kid: str | None
    algorithm: str | None
    audience: str | None
    """The claim `aud`; a list as JSON."""
    iat: float | None
    exp: float | None
    scope: str | None
    proof_jti: str | None
    """`jti` of the DPoP proof."""
    nonce: str | None
    """`nonce` of the DPoP proof."""
    repeated: bool
    """Whether the client has sent this `jti` before."""
    outcome: Outcome
    status: int | None
    """`None` if no answer was sent."""
    sentence: str


class Journal:
    """The last 10,000 requests, and counters since the start."""

    def __init__(self, on_request: Callable[[Seen], None]) -> None:
        self.requests: deque[Seen] = deque(maxlen=_KEPT)
        self.total = 0
        self.repeated = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.crashes: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self._jtis: LRUCache[tuple[str | None, str], None] = LRUCache(_JTIS_KEPT)
        self._on_request = on_request

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Count a request while it is in flight."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            self.at_once -= 1

    def crashed(self, error: Exception) -> None:
        """Record the type and place of an unexpected exception, never its text. Tests expect none."""
        frames = traceback.extract_tb(error.__traceback__)
        self.crashes.append(f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}")

    def write(self, received: ReceivedRequest, at: float, outcome: Outcome, status: int | None, sentence: str) -> None:
        """Record a request and notify `on_request`."""
        mark = (received.client_id, received.jti) if received.jti else None
        repeated = mark in self._jtis
        if mark:
            self._jtis[mark] = None
        seen = Seen(
            at=at,
            client_id=_short(received.client_id),
            jti=_short(received.jti),
            kid=_short(received.kid),
            algorithm=_short(received.algorithm),
            audience=_short(_text(received.claims.get("aud"))),
            iat=_number(received.claims.get("iat")),
            exp=_number(received.claims.get("exp")),
            scope=_short(received.form.get("scope")),
            proof_jti=_short(received.proof_jti),
            nonce=_short(received.nonce),
            repeated=repeated,
            outcome=outcome,
            status=status,
            sentence=_printable(sentence),
        )
        self.total += 1
        self.repeated += repeated
        self.outcomes[outcome] += 1
        self.requests.append(seen)
        self._on_request(seen)


def _text(audience: object) -> str | None:
    return audience if isinstance(audience, str | None) else json.dumps(audience)


def _number(claim: object) -> float | None:
    return claim if isinstance(claim, int | float) else None


def _short(text: str | None) -> str | None:
    return None if text is None else _printable(text)


def _printable(text: str) -> str:
    """Make untrusted text safe for a terminal: bounded and without control characters."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:_LONGEST])
