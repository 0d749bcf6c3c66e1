"""A refusal -> who must act, cause, fix."""

from dataclasses import dataclass
from enum import Enum

from broker.errors import BrokerError


class Act(Enum):
    """Who must act next; `schedule` derives the pause from it."""

    SERVER = "server"  # the server or the network: retry with back-off
    LIMIT = "limit"  # the server said when to come back
    REBUILD = "rebuild"  # nobody: a new assertion, at once, once
    CLOCK = "clock"  # correct by the server's Date and retry once; then whoever keeps the clocks
    KEY = "key"  # whoever registered or mounted the key
    OPERATOR = "operator"  # whoever configured the client or the token


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What went wrong, for the person on call, in one line.

    `reason` is one of the closed codes of `REASONS`; `words` are the server's own, cleaned and bounded; `wait` is how
    many seconds the server asked us to stay away.
    """

    reason: str
    act: Act
    cause: str
    fix: str
    words: str = ""
    wait: float | None = None


def diagnose(error: BrokerError) -> Diagnosis:
    """Every expected error has a diagnosis; what the table does not know is `unknown`, with the server's words."""
    raise NotImplementedError
