"""A refusal -> who must act, cause, fix.

`vocabulary` has the words, `okta_client`, `okta_request`, `oauth` and `transport` the tables, `words` what may be shown
of a text that others wrote. A further provider is a further table in `REFUSALS`, before the general rows.
"""

from typing import Final

from broker.diagnosis import oauth, okta_client, okta_request
from broker.diagnosis.transport import DISCOVERY, KEY_FILE, NETWORK, REPLY, SECRET_FILE, STARTING, UNEXPECTED
from broker.diagnosis.vocabulary import REASONS, Act, Diagnosis, Reason, Row, normal
from broker.diagnosis.words import LOOKED_AT, bounded, clean, one_line
from broker.errors import (
    BrokerError,
    DiscoveryError,
    KeyFileError,
    NetworkError,
    RefusalError,
    ReplyError,
    SecretFileError,
)

__all__ = ["REASONS", "REFUSALS", "ROWS", "STARTING", "Act", "Diagnosis", "Reason", "Row", "diagnose"]

#: The first row that fits a refusal is its diagnosis: 429 is a limit whatever else it says, a sentence that is known
#: tells more than a 5xx, a 5xx more than a code, a code more than a status.
REFUSALS: Final = (
    *okta_request.LIMITS,
    oauth.TOO_MANY,
    *okta_client.ROWS,
    *okta_request.ROWS,
    *oauth.SENTENCES,
    oauth.SERVER_FAULT,
    *oauth.CODES,
    *oauth.STATUSES,
    oauth.UNKNOWN,
)

#: Every row of every table, for the documentation and its test.
ROWS: Final = (
    *NETWORK.values(),
    *DISCOVERY.values(),
    *REPLY.values(),
    KEY_FILE,
    SECRET_FILE,
    *REFUSALS,
    UNEXPECTED,
)

_LONGEST_MESSAGE = 512


def diagnose(error: BrokerError) -> Diagnosis:
    """Every expected error has a diagnosis; what the table does not know is `unknown`, with the server's words."""
    match error:
        case RefusalError():
            return _refused(error)
        case NetworkError():
            return _diagnosis(NETWORK[error.fault], error.detail, where=bounded(one_line(error.where), 256))
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


def _refused(error: RefusalError) -> Diagnosis:
    code, description = error.error[:LOOKED_AT], error.description[:LOOKED_AT]
    looked_at = error.status, normal(code), normal(one_line(description))
    row = next(row for row in REFUSALS if row.fits(*looked_at))
    words = ": ".join(filter(None, (one_line(code), one_line(description))))
    return _diagnosis(row, words, wait=error.retry_after, status=error.status)


def _diagnosis(row: Row, words: str = "", *, wait: float | None = None, **known: object) -> Diagnosis:
    cause = row.cause
    for name, value in known.items():
        cause = cause.replace(f"{{{name}}}", str(value))
    return Diagnosis(reason=row.reason, act=row.act, cause=cause, fix=row.fix, words=clean(words), wait=wait)
