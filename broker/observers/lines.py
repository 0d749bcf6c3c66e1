"""An event -> one log line: its level, its fields, and what makes it a repetition of another. No I/O.

The fields are the event's own, in the units that people read; docs/operations.md has the table.
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

#: Of the one line that comes from the log itself.
LINES_DROPPED = "log_lines_dropped"
LINES_DROPPED_FIX = (
    "Find out why the reader of the broker's standard output (container runtime, log agent) stalls or is slow, or why"
    " its disk is full."
)
#: The columns that the eye looks for come first.
FIRST = ("token", "client", "outcome", "reason", "duration_ms", "expires_at")
#: Points in time that tell how long, rather than when.
UNTIL = {"retry_at": "retry_in_s", "next_refresh_at": "next_refresh_in_s"}
#: Seconds, under the name with their unit.
SECONDS = {"lifetime": "lifetime_s", "lead": "lead_s", "drain": "drain_s", "offset": "offset_s"}
LATEST = datetime.max.replace(tzinfo=UTC).timestamp() - 1

MINUTE, HOUR = 60.0, 3600.0


class Line(Struct, frozen=True, kw_only=True):
    """What is to be written, unless it repeats the last line about its `subject`, less than `pause` seconds old.

    It repeats that if its `cause` is the same. Without a subject every line is written.
    """

    level: Level
    event: str
    fields: dict[str, Value]
    subject: tuple[str, ...] = ()
    cause: str = ""
    pause: float = 0.0


def line_of(event: Event, *, now: float, wall: float) -> Line:
    """The line for `event`, which happened at `now` of the boot-time clock, `wall` by the clock on the wall."""
    values: dict[str, Value] = {}
    if event.outcome:
        values["outcome"] = event.outcome
    for field, default in _defaults(type(event)).items():
        value = getattr(event, field)
        if isinstance(value, Diagnosis):
            values |= diagnosed(value)
        elif value is not None and value != default:  # what is as usual is not said
            name, readable = _readable(field, value, now=now, wall=wall)
            values[name] = readable
    level = level_of(event)
    if level in ("warning", "error") and event.fix:
        values["fix"] = event.fix
    ordered = {name: values[name] for name in FIRST if name in values} | values
    subject, cause, pause = repetition(event)
    return Line(level=level, event=event.name, fields=ordered, subject=subject, cause=cause, pause=pause)


@cache
def _defaults(kind: type[Event]) -> dict[str, object]:
    """The fields of a kind of event, with their defaults; looking these up takes longer than writing the line."""
    return {field.name: field.default for field in structs.fields(kind)}


def diagnosed(diagnosis: Diagnosis) -> dict[str, Value]:
    """Reason, cause and fix, and what the other side said, if anything."""
    words: dict[str, Value] = {"server_said": diagnosis.words} if diagnosis.words else {}
    return {"reason": diagnosis.reason, "cause": diagnosis.cause, "fix": diagnosis.fix} | words


def level_of(event: Event) -> Level:
    """How loud: an error is what workloads notice, a warning what they will notice unless somebody acts."""
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

    What strangers can cause has no `cause`: by taking turns they would write a line for each request.
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
    """RFC 3339 in UTC. A server may grant a token until after the year 9999."""
    moment = datetime.fromtimestamp(min(epoch, LATEST), tz=UTC)
    return moment.replace(tzinfo=None).isoformat(timespec=timespec) + "Z"


def _readable(name: str, value: Any, *, now: float, wall: float) -> tuple[str, Value]:  # noqa: ANN401 - as events have it
    if name in ("duration", "seconds"):
        return "duration_ms", round(value * 1000, 1)
    if name in UNTIL:
        return UNTIL[name], round(max(0.0, value - now), 1)
    if name in SECONDS:
        return SECONDS[name], round(value, 1)
    if name == "expires_at":
        return name, timestamp(value - now + wall)
    if name == "not_after":
        return name, timestamp(value)
    return name, list(value) if isinstance(value, tuple) else value
