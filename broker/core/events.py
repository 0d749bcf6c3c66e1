"""What happens in the broker, as values. Observers are told; nothing waits for them.

The class attribute `name` of each event is the closed set of `event` in the log (docs/operations.md). No event holds a
secret. Points in time are seconds of the boot-time clock unless said otherwise.
"""

from collections.abc import Callable
from typing import ClassVar, Literal

from msgspec import Struct

from broker.core.diagnosis import Diagnosis

Level = Literal["debug", "info", "warning", "error"]
Outcome = Literal["success", "error"]


class Event(Struct, frozen=True, kw_only=True):
    """Base class of all events, with what every event of a class has in common."""

    #: Name in the log, unique.
    name: ClassVar[str]
    #: Level in the log, unless the fields call for another (`observers.lines.level_of`).
    level: ClassVar[Level]
    #: Result of the action that ended, if the event reports one.
    outcome: ClassVar[Outcome | None] = None
    #: What to do about a warning or an error that carries no diagnosis.
    fix: ClassVar[str | None] = None


class Started(Event, frozen=True, kw_only=True):
    """The configuration is read and the loops are about to run."""

    name: ClassVar[str] = "started"
    level: ClassVar[Level] = "info"
    version: str
    tokens: tuple[str, ...]


class Listening(Event, frozen=True, kw_only=True):
    """A listener accepts connections."""

    name: ClassVar[str] = "listening"
    level: ClassVar[Level] = "info"
    listener: Literal["api", "admin"]
    addresses: tuple[str, ...]


class Stopping(Event, frozen=True, kw_only=True):
    """A signal asked the broker to stop; `drain` seconds of serving remain."""

    name: ClassVar[str] = "stopping"
    level: ClassVar[Level] = "info"
    signal: str
    drain: float


class Reloading(Event, frozen=True, kw_only=True):
    """SIGHUP: keys are about to be read again, and what failed to be tried again."""

    name: ClassVar[str] = "reloading"
    level: ClassVar[Level] = "info"


class Refreshed(Event, frozen=True, kw_only=True):
    """A new token is in the store."""

    name: ClassVar[str] = "token_refreshed"
    level: ClassVar[Level] = "info"
    outcome: ClassVar[Outcome] = "success"
    token: str
    client: str
    duration: float
    expires_at: float
    lifetime: float
    lead: float
    next_refresh_at: float


class RefreshFailed(Event, frozen=True, kw_only=True):
    """An attempt failed; the held token, if any, stays until `expires_at`."""

    name: ClassVar[str] = "refresh_failed"
    level: ClassVar[Level] = "warning"
    outcome: ClassVar[Outcome] = "error"
    token: str
    client: str
    duration: float
    diagnosis: Diagnosis
    retry_at: float
    expires_at: float | None


class TokenExpired(Event, frozen=True, kw_only=True):
    """A held token ran out before it could be replaced: workloads get 503 from now on."""

    name: ClassVar[str] = "token_expired"
    level: ClassVar[Level] = "error"
    token: str
    client: str
    reason: str


class ScopeReduced(Event, frozen=True, kw_only=True):
    """The server granted less than was asked (RFC 6749 section 5.1)."""

    name: ClassVar[str] = "scope_reduced"
    level: ClassVar[Level] = "warning"
    token: str
    client: str
    missing: tuple[str, ...]


class KeyLoaded(Event, frozen=True, kw_only=True):
    """A key file's content is in use, at start or after a change.

    `x5t` and `not_after`, in epoch seconds of the clock on the wall, are of its certificate, if it has one.
    """

    name: ClassVar[str] = "key_loaded"
    level: ClassVar[Level] = "info"
    outcome: ClassVar[Outcome] = "success"
    client: str
    file: str
    kid: str | None
    algorithm: str
    thumbprint: str
    x5t: str | None = None
    not_after: float | None = None


class KeyRefused(Event, frozen=True, kw_only=True):
    """A key file cannot be used; `detail` is a sentence. What was loaded before stays in use."""

    name: ClassVar[str] = "key_refused"
    level: ClassVar[Level] = "warning"
    outcome: ClassVar[Outcome] = "error"
    client: str
    file: str
    detail: str
    kept: bool


class KeyAccepted(Event, frozen=True, kw_only=True):
    """The server took the preferred key, which is new to it or was refused before."""

    name: ClassVar[str] = "key_accepted"
    level: ClassVar[Level] = "info"
    client: str
    kid: str | None


class KeyRetired(Event, frozen=True, kw_only=True):
    """A key that was replaced is used no more: the one in its place was accepted, or it never was itself."""

    name: ClassVar[str] = "key_retired"
    level: ClassVar[Level] = "info"
    client: str
    file: str
    kid: str | None
    algorithm: str


class CertificateExpiring(Event, frozen=True, kw_only=True):
    """The certificate of a key in use expires in `days_left` days, or has expired (negative); it stays in use.

    `not_after` is in epoch seconds of the clock on the wall.
    """

    name: ClassVar[str] = "certificate_expiring"
    level: ClassVar[Level] = "warning"
    fix: ClassVar[str] = (
        "Have a new certificate issued and registered with the authorization server, then put it, with its key, into"
        " the files."
    )
    client: str
    file: str
    not_after: float
    days_left: int


class KeyFellBack(Event, frozen=True, kw_only=True):
    """The server refused the key `refused`, which is preferred, for `reason`, and took `kid` in its place."""

    name: ClassVar[str] = "key_fell_back"
    level: ClassVar[Level] = "warning"
    fix: ClassVar[str] = (
        "Have the public half of the refused key registered (token-broker jwks prints it), or put the key before it"
        " back: a broker that starts anew may not have that one any more."
    )
    client: str
    kid: str | None
    refused: str | None
    reason: str


class ClockMeasured(Event, frozen=True, kw_only=True):
    """The server's clock minus ours, in seconds, by its `Date`; `used` when assertions are corrected by it."""

    name: ClassVar[str] = "clock_measured"
    level: ClassVar[Level] = "warning"
    fix: ClassVar[str] = "Have this machine's clock, or the server's, set by NTP."
    client: str
    offset: float
    used: bool


class ConfigChanged(Event, frozen=True, kw_only=True):
    """The configuration file no longer is (`stale`), or again is, what the broker runs with."""

    name: ClassVar[str] = "config_changed"
    level: ClassVar[Level] = "warning"
    fix: ClassVar[str] = "Restart the broker to apply the file."
    file: str
    stale: bool


class Warned(Event, frozen=True, kw_only=True):
    """Something permitted but unwise, in the configuration or in what a server answers; emitted once."""

    name: ClassVar[str] = "warning"
    level: ClassVar[Level] = "warning"
    detail: str


class Served(Event, frozen=True, kw_only=True):
    """Requests to one of our listeners were answered, `times` alike; `seconds` is `None` when not timed."""

    name: ClassVar[str] = "request"
    level: ClassVar[Level] = "debug"
    route: str
    code: int
    seconds: float | None
    times: int = 1


class Refused(Event, frozen=True, kw_only=True):
    """The guard, the connection limit or the HTTP parser turned a request away."""

    name: ClassVar[str] = "request_refused"
    level: ClassVar[Level] = "warning"
    reason: str


class HandedOut(Event, frozen=True, kw_only=True):
    """A workload was given a token, `times` in a row."""

    name: ClassVar[str] = "token_handed_out"
    level: ClassVar[Level] = "info"
    token: str
    caller: str
    times: int = 1


class RefreshForced(Event, frozen=True, kw_only=True):
    """A workload had a token replaced before its time: it was `rejected`, or too short-lived (`min_ttl`)."""

    name: ClassVar[str] = "refresh_forced"
    level: ClassVar[Level] = "info"
    token: str
    caller: str
    cause: Literal["min_ttl", "rejected"]


class CallerLoaded(Event, frozen=True, kw_only=True):
    """A caller's secret file is in use, at start or after a change; `secrets` is how many lines are valid."""

    name: ClassVar[str] = "caller_loaded"
    level: ClassVar[Level] = "info"
    outcome: ClassVar[Outcome] = "success"
    caller: str
    file: str
    secrets: int
    created: bool = False


class CallerRefused(Event, frozen=True, kw_only=True):
    """A changed secret file cannot be used; `detail` is a sentence. The secrets before it stay valid."""

    name: ClassVar[str] = "caller_refused"
    level: ClassVar[Level] = "warning"
    outcome: ClassVar[Outcome] = "error"
    caller: str
    file: str
    detail: str


class SinkWritten(Event, frozen=True, kw_only=True):
    """A file holds a new token."""

    name: ClassVar[str] = "sink_written"
    level: ClassVar[Level] = "debug"
    outcome: ClassVar[Outcome] = "success"
    token: str
    file: str


class SinkCleared(Event, frozen=True, kw_only=True):
    """A file holds no token, because there is none that is usable: it was removed, or was not there."""

    name: ClassVar[str] = "sink_cleared"
    level: ClassVar[Level] = "debug"
    outcome: ClassVar[Outcome] = "success"
    token: str
    file: str


class SinkFailed(Event, frozen=True, kw_only=True):
    """A file could not be written, or an expired token in it not removed; `detail` is a sentence."""

    name: ClassVar[str] = "sink_failed"
    level: ClassVar[Level] = "warning"
    outcome: ClassVar[Outcome] = "error"
    token: str
    file: str
    detail: str


class Crashed(Event, frozen=True, kw_only=True):
    """An unexpected exception in an observer, a request handler or a loop: its type and place, never its text."""

    name: ClassVar[str] = "internal_error"
    level: ClassVar[Level] = "error"
    fix: ClassVar[str] = "Report this line as a defect of token-broker."
    where: str
    error: str


Observer = Callable[[Event], None]
