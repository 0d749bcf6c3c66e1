"""Writes events as log lines to stdout: JSON, or short text for a terminal.

Write errors are ignored: a full disk or a closed pipe must not affect tokens.
"""

import io
import json
import logging
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Protocol

from cachetools import LRUCache
from msgspec.structs import replace

from broker.core.diagnosis import Diagnosis
from broker.core.errors import place_of
from broker.core.events import (
    CallerLoaded,
    Event,
    HandedOut,
    KeyLoaded,
    Level,
    Refreshed,
    RefreshFailed,
    Reloading,
    Served,
    SinkCleared,
    SinkWritten,
    TokenExpired,
)
from broker.core.settings import Log as LogSettings
from broker.observers.lines import LINES_DROPPED, LINES_DROPPED_FIX, MINUTE, Line, Value, diagnosed, line_of, timestamp

SEVERITY: dict[Level, int] = {"debug": 0, "info": 1, "warning": 2, "error": 3}
#: Most subjects whose repetitions are tracked.
MAX_SUBJECTS = 1024
#: Fields that are sentences, with their prefix in text format; and a field that text format omits as redundant.
SENTENCES = {"detail": "", "cause": "", "fix": "Fix: ", "server_said": "Said: "}
IMPLIED_BY_EVENT = "outcome"


class Stream(Protocol):
    """An unbuffered byte stream, such as a `LineQueue`."""

    def write(self, data: bytes, /) -> int | None:
        """Write, and return the number of bytes written."""

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""


def stdout() -> io.FileIO:
    """Unbuffered standard output: flushing a buffer at exit could fail and change the exit code."""
    if sys.__stdout__ is None:  # stdout was closed at start; descriptor 1 may have been reused
        return io.FileIO(os.devnull, "w")
    return io.FileIO(1, "w", closefd=False)


@dataclass(slots=True)
class LastWritten:
    """The last line written about a subject."""

    written_at: float
    cause: str
    #: Repetitions suppressed since.
    suppressed: int = 0


@dataclass(slots=True)
class OngoingFailure:
    """Consecutive refresh failures of one token."""

    since: float
    attempts: int
    #: Of the last attempt.
    diagnosis: Diagnosis


class Log:
    """An observer that writes one line per event.

    `now`: boot-time clock, for repetitions.
    `wall`: wall clock, for timestamps.
    """

    def __init__(
        self, stream: Stream, settings: LogSettings, *, now: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._stream = stream
        self._text = settings.format == "text" or (settings.format == "auto" and stream.isatty())
        self._threshold = SEVERITY[settings.level]
        #: Event types that `FanOut` skips: they occur on each request and are not written by default.
        self.ignores: set[type[Event]] = set()
        if self._threshold:
            self.ignores.add(Served)
        if not settings.audit:
            self.ignores.add(HandedOut)
        self._now = now
        self._wall = wall
        self._last_written: LRUCache[tuple[str, ...], LastWritten] = LRUCache(MAX_SUBJECTS)
        self._ongoing_failures: dict[str, OngoingFailure] = {}

    def __call__(self, event: Event) -> None:
        """Write `event`, unless it is below the log level or a repetition."""
        if type(event) in self.ignores:
            return
        now = self._now()
        line = line_of(event, now=now, wall=self._wall())
        if extra := self._track_failures(event, now):
            line = replace(line, fields=line.fields | extra)
        self.write(line, force=isinstance(event, HandedOut))

    def write(self, line: Line, *, force: bool = False) -> None:
        """Write `line` unless it is below the log level or a repetition. `force` ignores the log level."""
        if SEVERITY[line.level] < self._threshold and not force:
            return
        now = self._now()
        if line.subject:
            last = self._last_written.get(line.subject)
            if last and last.cause == line.cause:
                if now - last.written_at < line.pause:
                    last.suppressed += 1
                    return
                if last.suppressed:
                    line = replace(line, fields=line.fields | {"repeats": last.suppressed})
            self._last_written[line.subject] = LastWritten(now, line.cause)
        data = self._encode(line)
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            while data and (taken := self._stream.write(data)):
                data = data[taken:]
        if data:  # dropped: the next one must not count as a repetition
            self._last_written.pop(line.subject, None)

    def mention_dropped(self, lines: int) -> bytes:
        """Encode the line that reports `lines` dropped lines, regardless of the log level."""
        fields: dict[str, Value] = {"lines": lines, "fix": LINES_DROPPED_FIX}
        return self._encode(Line(level="warning", event=LINES_DROPPED, fields=fields))

    def _encode(self, line: Line) -> bytes:
        return (text_of(line, self._wall()) if self._text else json_of(line, self._wall())).encode()

    def _track_failures(self, event: Event, now: float) -> dict[str, Value]:
        """Track ongoing failures. Returns additional fields for the line of `event`."""
        match event:
            case RefreshFailed():
                failure = self._ongoing_failures.setdefault(event.token, OngoingFailure(now, 0, event.diagnosis))
                failure.attempts += 1
                failure.diagnosis = event.diagnosis
            case TokenExpired() if event.token in self._ongoing_failures:
                return diagnosed(self._ongoing_failures[event.token].diagnosis)
            case Refreshed() if event.token in self._ongoing_failures:
                failure = self._ongoing_failures.pop(event.token)
                self._forget("refresh_failed", event.token)
                return {"failed_attempts": failure.attempts, "failed_for_s": round(now - failure.since, 1)}
            case KeyLoaded():
                self._forget("key_refused", event.client, event.file)
            case CallerLoaded():
                self._forget("caller_refused", event.caller)
            case SinkWritten() | SinkCleared():
                self._forget("sink_failed", event.file)
            case Reloading():
                # Report the result of a reload even if it repeats an earlier failure.
                for event_name in ("key_refused", "refresh_failed", "caller_refused", "sink_failed"):
                    self._forget(event_name)
            case _:
                pass
        return {}

    def _forget(self, *subject: str) -> None:
        """Forget lines about `subject` after a recovery, so that a new failure is written at once."""
        for subjects in [subjects for subjects in self._last_written if subjects[: len(subject)] == subject]:
            del self._last_written[subjects]


class LibraryHandler(logging.Handler):
    """Writes warnings of asyncio and aiohttp as log lines, without the message, which may quote untrusted input."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line for `record`."""
        error = record.exc_info[1] if record.exc_info else None
        where = place_of(error) if error else f"{PurePath(record.pathname).name}:{record.lineno} {record.funcName}"
        fields = {"logger": record.name, "where": where}
        if error:
            fields["error"] = type(error).__name__
        level: Level = "error" if record.levelno >= logging.ERROR else "warning"
        subject = ("library", *fields.values())
        self._log.write(Line(level=level, event="library", fields={**fields}, subject=subject, pause=MINUTE))


def json_of(line: Line, wall: float) -> str:
    """The line as one JSON object, ASCII only, so that no value can inject a line or a terminal control sequence."""
    head = {"ts": timestamp(wall, "milliseconds"), "level": line.level, "event": line.event}
    return json.dumps(head | line.fields, separators=(",", ":")) + "\n"


def text_of(line: Line, wall: float) -> str:
    """The line as text: local time, level, event, fields, then sentences."""
    pairs = [
        f"{name}={_word(value)}" for name, value in line.fields.items() if name not in {*SENTENCES, IMPLIED_BY_EVENT}
    ]
    sentences = [_printable(f"{intro}{line.fields[name]}") for name, intro in SENTENCES.items() if name in line.fields]
    time = datetime.fromtimestamp(wall, tz=UTC).astimezone().strftime("%H:%M:%S")
    text = " ".join([time, f"{line.level.upper():7}", line.event, *pairs])
    return ": ".join([text, " ".join(sentences)] if sentences else [text]) + "\n"


def _word(value: Value) -> str:
    """`value` as one word, quoted if necessary."""
    if isinstance(value, list):
        return ",".join(map(_word, value))
    if not isinstance(value, str):
        return json.dumps(value)
    word = _printable(value)
    return word if re.fullmatch(r'[^\s"=,]+', word) else json.dumps(word, ensure_ascii=False)


def _printable(text: str) -> str:
    """`text` with unprintable characters escaped: control characters, line separators, bidirectional marks."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
