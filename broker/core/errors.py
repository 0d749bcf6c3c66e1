"""What can go wrong, by who noticed it. `diagnosis` says what each one means and who must act.

No message here may hold an assertion, a token, a secret or the body of an answer.
"""

import traceback
from collections.abc import Iterable
from pathlib import PurePath
from typing import Literal

NetworkFault = Literal["dns", "connect", "timeout", "tls", "proxy", "disconnected", "ca_file"]
ReplyFault = Literal[
    "too_big", "head_too_big", "not_json", "redirect", "access_token", "token_characters", "token_type", "dpop",
    "bearer", "expires_in", "expired", "late",
]  # fmt: skip
DiscoveryFault = Literal[
    "not_found", "not_json", "issuer_mismatch", "no_token_endpoint", "foreign_host", "moved", "insecure"
]


class BrokerError(Exception):
    """Everything the broker expects to go wrong.

    Anything else is a defect: it costs the attempt, the request or the turn of a loop in which it happens, and ends the
    process only at start.
    """


class ConfigError(BrokerError):
    """The configuration cannot be used. `complaints` are whole sentences, each naming the key or file to change."""

    def __init__(self, complaints: Iterable[str]) -> None:
        self.complaints = tuple(complaints)
        super().__init__("\n".join(self.complaints))


class KeyFileError(BrokerError):
    """A key file is missing, unreadable or not acceptable; the message is a sentence that names the file."""


class SecretFileError(BrokerError):
    """Another file the request needs (parameters, claims) cannot be used; the message names it."""


class NetworkError(BrokerError):
    """No answer came: `fault` says at which step, `where` names host and port, the message has the system's words."""

    def __init__(self, fault: NetworkFault, where: str, detail: str) -> None:
        self.fault: NetworkFault = fault
        self.where = where
        self.detail = detail
        super().__init__(f"{where}: {detail}")


class DiscoveryError(BrokerError):
    """The issuer's metadata (RFC 8414) cannot be used; the message says what it holds and what was expected."""

    def __init__(self, fault: DiscoveryFault, message: str) -> None:
        self.fault: DiscoveryFault = fault
        super().__init__(message)


class RefusalError(BrokerError):
    """The authorization server answered, and the answer is no (RFC 6749 section 5.2, or any other shape).

    `error` and `description` are the server's own, unbounded and uncleaned: only `diagnosis` may show them.
    `retry_after` is how long it asked us to stay away, in seconds, by `Retry-After` or `X-Rate-Limit-Reset`. `secrets`
    are texts that we had sent and that must not be shown, should the server repeat them. `clock_offset` is the server's
    clock minus ours, in seconds, if they differ; `clock_corrected` when the refused times were corrected by it.
    """

    def __init__(self, status: int, error: str, description: str, retry_after: float | None = None) -> None:
        self.status = status
        self.error = error
        self.description = description
        self.retry_after = retry_after
        self.secrets = frozenset[str]()
        self.clock_offset: float | None = None
        self.clock_corrected = False
        super().__init__(f"the authorization server answered {status}")


class CoolingError(RefusalError):
    """Nothing was sent, because the server has asked to be left alone for another `retry_after` seconds."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(429, "", "", retry_after)


class ReplyError(BrokerError):
    """A success that cannot be used: `fault` names the field that is wrong; the message says how."""

    def __init__(self, fault: ReplyFault, message: str) -> None:
        self.fault: ReplyFault = fault
        super().__init__(message)


def root_of(error: BaseException) -> BaseException:
    """What a task group wrapped up."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def place_of(error: BaseException) -> str:
    """File, line and function where a bug was raised. Its text is not shown: it might hold what a stranger sent."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{PurePath(frames[-1].filename).name}:{frames[-1].lineno} {frames[-1].name}" if frames else "unknown"
