"""A refusal -> who must act, cause, fix.

`registry` has the rows for refusals, provider by provider; `network` and `faults` those for all other errors.
"""

from typing import Final

from msgspec.structs import replace

from broker.core.diagnosis import REASONS, Act, Diagnosis, Reason
from broker.core.errors import (
    BrokerError,
    DiscoveryError,
    KeyFileError,
    NetworkError,
    RefusalError,
    ReplyError,
    SecretFileError,
    place_of,
    root_of,
)
from broker.core.words import LOOKED_AT, bounded, clean, one_line, without
from broker.providers import okta
from broker.providers.clock_offset import is_bare, with_offset
from broker.providers.faults import (
    CERTIFICATE_ENDS,
    CLOCKS_APART,
    DEFECT,
    DISCOVERY,
    KEY_FILE,
    REDUCED,
    REPLY,
    SECRET_FILE,
    STARTING,
    UNEXPECTED,
)
from broker.providers.network import NETWORK, SENTENCES
from broker.providers.registry import REFUSALS
from broker.providers.rows import Row, normal

__all__ = [
    "REASONS",
    "REFUSALS",
    "ROWS",
    "STARTING",
    "Act",
    "Diagnosis",
    "Reason",
    "Row",
    "certificate_ends",
    "clean",
    "clocks_apart",
    "defect",
    "diagnose",
    "is_bare",
    "scopes_reduced",
]

#: Every row of every table, for the documentation and its test.
ROWS: Final = (
    *(row for rows in SENTENCES.values() for row in rows),
    *NETWORK.values(),
    *DISCOVERY.values(),
    *REPLY.values(),
    KEY_FILE,
    SECRET_FILE,
    *REFUSALS,
    okta.REDUCED,
    REDUCED,
    CLOCKS_APART,
    CERTIFICATE_ENDS,
    DEFECT,
    UNEXPECTED,
)

_LONGEST_MESSAGE = 512


def diagnose(error: BrokerError, *, provider: str = "generic") -> Diagnosis:
    """Every expected error has a diagnosis; what the tables do not know is `unknown`, with the server's words.

    `provider` is the client's preset, for what several servers say and mean differently.
    """
    match error:
        case RefusalError():
            return _refused(error, provider)
        case NetworkError():
            known = (row for row in SENTENCES.get(error.fault, ()) if row.knows(normal(error.detail[:LOOKED_AT])))
            row = next(known, NETWORK[error.fault])
            return _diagnosis(row, error.detail, where=bounded(one_line(error.where), 256))
        case DiscoveryError():
            return _diagnosis(DISCOVERY[error.fault], str(error))
        case ReplyError():
            return _diagnosis(REPLY[error.fault], str(error))
        case KeyFileError() | SecretFileError():
            row = KEY_FILE if isinstance(error, KeyFileError) else SECRET_FILE
            # Our own sentence: a path is not redacted.
            message = bounded(one_line(str(error)), _LONGEST_MESSAGE)
            return _diagnosis(row, message=message or REASONS[row.reason])
        case _:
            return _diagnosis(UNEXPECTED, str(error))


def defect(error: BaseException) -> Diagnosis:
    """For an unexpected exception: its type and place, never its text, which might hold what a stranger sent."""
    bug = root_of(error)
    return _diagnosis(DEFECT, where=f"{type(bug).__name__} in {place_of(bug)}")


def scopes_reduced(*, provider: str = "generic") -> Diagnosis:
    """For a token that was granted with less than was asked for."""
    return _diagnosis(okta.REDUCED if provider in okta.REDUCED.providers else REDUCED)


def clocks_apart() -> Diagnosis:
    """For a difference between our clock and the server's, whether or not anything was refused for it."""
    return _diagnosis(CLOCKS_APART)


def certificate_ends() -> Diagnosis:
    """For a key whose certificate has run out, or is about to."""
    return _diagnosis(CERTIFICATE_ENDS)


def _refused(error: RefusalError, provider: str) -> Diagnosis:
    code, description = error.error[:LOOKED_AT], error.description[:LOOKED_AT]
    looked_at = error.status, normal(code), normal(one_line(description)), provider
    row = next(row for row in REFUSALS if row.fits(*looked_at))
    said = (one_line(without(text, error.secrets)[:LOOKED_AT]) for text in (error.error, error.description))
    # Without an `error` it is no answer of OAuth's (RFC 6749 section 5.2), and nothing says that a person must act.
    fault = row.act is Act.OPERATOR and row.is_by_status and not code
    diagnosis = _diagnosis(row, ": ".join(filter(None, said)), wait=error.retry_after, status=error.status)
    return with_offset(replace(diagnosis, act=Act.SERVER) if fault else diagnosis, error)


def _diagnosis(row: Row, words: str = "", *, wait: float | None = None, **known: object) -> Diagnosis:
    cause = row.cause
    for name, value in known.items():
        cause = cause.replace(f"{{{name}}}", str(value))
    return Diagnosis(
        reason=row.reason, act=row.act, cause=cause, fix=row.fix, words=clean(words), wait=wait, steps=row.steps
    )
