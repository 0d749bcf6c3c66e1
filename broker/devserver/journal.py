"""What was asked of the server and what came of it; no assertion, no secret, no token."""

import json
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cachetools import LRUCache

from broker.devserver.asked import Asked

Outcome = Literal["issued", "refused", "fault", "lost", "hung", "reset"]
_KEPT = 10_000
_JTIS_KEPT = 200_000
_LONGEST = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One token request. All but `at`, `repeated`, `outcome`, `status` and `sentence` is what the client claims.

    `at` is when it was answered, epoch seconds of the server's clock without its skew; `status` is `None` when nothing
    was answered. An `aud` that is a list stands as JSON. `repeated`: the client has sent this `jti` before.
    `proof_jti` and `nonce` are those of its DPoP proof.
    """

    at: float
    client_id: str | None
    jti: str | None
    kid: str | None
    algorithm: str | None
    audience: str | None
    iat: float | None
    exp: float | None
    scope: str | None
    proof_jti: str | None
    nonce: str | None
    repeated: bool
    outcome: Outcome
    status: int | None
    sentence: str


class Journal:
    """The last 10,000 requests, and counters since the start."""

    def __init__(self, tell: Callable[[Seen], None]) -> None:
        self.requests: deque[Seen] = deque(maxlen=_KEPT)
        self.total = 0
        self.repeated = 0
        self.outcomes: Counter[Outcome] = Counter()
        self.crashes: list[str] = []
        self.at_once = 0
        self.most_at_once = 0
        self._jtis: LRUCache[tuple[str | None, str], None] = LRUCache(_JTIS_KEPT)
        self._tell = tell

    @contextmanager
    def in_flight(self) -> Iterator[None]:
        """Counts a request as long as it is worked on."""
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            self.at_once -= 1

    def crashed(self, error: Exception) -> None:
        """A bug of ours: its type and place, never its text. Empty in every good test."""
        frames = traceback.extract_tb(error.__traceback__)
        self.crashes.append(f"{type(error).__name__} at {Path(frames[-1].filename).name}:{frames[-1].lineno}")

    def write(self, asked: Asked, at: float, outcome: Outcome, status: int | None, sentence: str) -> None:
        """Remember a request, and tell whoever watches."""
        mark = (asked.client_id, asked.jti) if asked.jti else None
        repeated = mark in self._jtis
        if mark:
            self._jtis[mark] = None
        seen = Seen(
            at=at,
            client_id=_short(asked.client_id),
            jti=_short(asked.jti),
            kid=_short(asked.kid),
            algorithm=_short(asked.algorithm),
            audience=_short(_text(asked.claims.get("aud"))),
            iat=_number(asked.claims.get("iat")),
            exp=_number(asked.claims.get("exp")),
            scope=_short(asked.form.get("scope")),
            proof_jti=_short(asked.proof_jti),
            nonce=_short(asked.nonce),
            repeated=repeated,
            outcome=outcome,
            status=status,
            sentence=_printable(sentence),
        )
        self.total += 1
        self.repeated += repeated
        self.outcomes[outcome] += 1
        self.requests.append(seen)
        self._tell(seen)


def _text(audience: object) -> str | None:
    return audience if isinstance(audience, str | None) else json.dumps(audience)


def _number(claim: object) -> float | None:
    return claim if isinstance(claim, int | float) else None


def _short(text: str | None) -> str | None:
    return None if text is None else _printable(text)


def _printable(text: str) -> str:
    """What a stranger sent goes to a terminal: bounded, and without control characters."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text[:_LONGEST])
