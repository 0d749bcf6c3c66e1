"""Converts an event to a log line: level, fields, and when it repeats an earlier line. No I/O.

Fields are those of the event, in human-readable units; docs/operations.md lists them.
"""

from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

from msgspec import Struct, structs

from broker.core.diagnosis import Diagnosis
from broker.core.events import (
    CallerRefused,
    ClockMeasured,
    ConfigChanged,
    Crashed,
    Event,
    KeyRefused,
    Level,
    RefreshFailed,
    Refused,
    SinkFailed,
)
from broker.oauth.server_clock import NOISE

Value = str | float | bool | list[str]

#: Event name of the only line that the log emits by itself.
LINES_DROPPED = "log_lines_dropped"
LINES_DROPPED_FIX = (
    "Find out why the reader of the broker's standard output (container runtime, log agent) stalls or is slow, or why"
    " its disk is full."
)
#: Fields that come first in a line.
FIRST_FIELDS = ("token", "client", "outcome", "reason", "duration_ms", "expires_at")
#: Timestamps that are logged as seconds from now.
COUNTDOWNS = {"retry_at": "retry_in_s", "next_refresh_at": "next_refresh_in_s"}
#: Durations in seconds, logged under a name with the unit.
IN_SECONDS = {"lifetime": "lifetime_s", "lead": "lead_s", "drain": "drain_s", "offset": "offset_s"}
MAX_TIMESTAMP = datetime.max.replace(tzinfo=UTC).timestamp() - 1

MINUTE, HOUR = 60.0, 3600.0


class Line(Struct, frozen=True, kw_only=True):
    """A log line. It is suppressed if it repeats the last line with the same subject."""

    level: Level
    event: str
    fields: dict[str, Value]
    #: What the line is about; a line without a subject is never suppressed.
    subject: tuple[str, ...] = ()
    #: A line with another cause than the last one is no repetition.
    cause: str = ""
    #: Seconds for which repetitions are suppressed.
    pause: float = 0.0


def line_of(event: Event, *, now: float, wall: float) -> Line:
    """The line for `event`; `now` is its time on the boot-time clock, `wall` in epoch seconds."""
    values: dict[str, Value] = {}
    if event.outcome:
        values["outcome"] = event.outcome
    for field, default in _defaults(type(event)).items():
        value = getattr(event, field)
        if isinstance(value, Diagnosis):
            values |= diagnosed(value)
        elif value is not None and value != default:  # defaults are omitted
            name, readable = _readable(field, value, now=now, wall=wall)
            values[name] = readable
    level = level_of(event)
    if level in ("warning", "error") and event.fix:
        values["fix"] = event.fix
    ordered = {name: values[name] for name in FIRST_FIELDS if name in values} | values
    subject, cause, pause = repetition(event)
    return Line(level=level, event=event.name, fields=ordered, subject=subject, cause=cause, pause=pause)


@cache
def _defaults(kind: type[Event]) -> dict[str, object]:
    """The fields of an event class with their defaults; cached, since msgspec's introspection is slow."""
    return {field.name: field.default for field in structs.fields(kind)}


def diagnosed(diagnosis: Diagnosis) -> dict[str, Value]:
    """The fields of a diagnosis, with the server's words if there are any."""
    words: dict[str, Value] = {"server_said": diagnosis.words} if diagnosis.words else {}
    return {"reason": diagnosis.reason, "cause": diagnosis.cause, "fix": diagnosis.fix} | words


def level_of(event: Event) -> Level:
    """The log level: `error` if workloads are affected, `warning` if they will be unless someone acts."""
    match event:
        case RefreshFailed(expires_at=None) | KeyRefused(kept=False):
            return "error"
        case ConfigChanged(stale=False):
            return "info"
        case ClockMeasured(used=False) if abs(event.offset) <= NOISE:
            return "debug"
        case _:
            return event.level


def repetition(event: Event) -> tuple[tuple[str, ...], str, float]:
    """`subject`, `cause` and `pause` of the event's line.

    Refused requests have no `cause`: otherwise a client could alternate causes and get a line for each request.
    """
    subject: tuple[str, ...] = ()
    cause, pause = "", 5 * MINUTE
    match event:
        case RefreshFailed():
            subject, cause = (event.token,), event.diagnosis.reason
        case KeyRefused():
            subject, cause = (event.client, event.file), event.detail
        case CallerRefused():
            subject, cause = (event.caller,), event.detail
        case SinkFailed():
            subject, cause = (event.file,), event.detail
        case ClockMeasured():
            subject, pause = (event.client, str(event.used)), HOUR
        case Refused():
            subject, pause = (event.reason,), MINUTE
        case Crashed():
            subject = (event.where, event.error)
        case _:
            return (), "", 0.0
    return (event.name, *subject), cause, pause


def timestamp(epoch: float, timespec: Literal["seconds", "milliseconds"] = "seconds") -> str:
    """`epoch` in RFC 3339 format, UTC, capped at the year 9999: a server may grant a longer lifetime."""
    moment = datetime.fromtimestamp(min(epoch, MAX_TIMESTAMP), tz=UTC)
    return moment.replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def _readable(name: str, value: Any, *, now: float, wall: float) -> tuple[str, Value]:  # noqa: ANN401 - as events have it
    if name in ("duration", "seconds"):
        return "duration_ms", round(value * 1000, 1)
    if name in COUNTDOWNS:
        return COUNTDOWNS[name], round(max(0.0, value - now), 1)
    if name in IN_SECONDS:
        return IN_SECONDS[name], round(value, 1)
    if name == "expires_at":
        return name, timestamp(value - now + wall)
    if name == "not_after":
        return name, timestamp(value)
    return name, list(value) if isinstance(value, tuple) else value
