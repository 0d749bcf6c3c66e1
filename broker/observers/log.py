"""Events -> lines on stdout: JSON for machines, short ones for a terminal. One line has cause and fix.

Nothing here raises: a full disk or a reader that has gone must not cost a token.
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

LOUDNESS: dict[Level, int] = {"debug": 0, "info": 1, "warning": 2, "error": 3}
#: How many different lines are remembered for their repetitions.
MOST_REMEMBERED = 1024
#: Fields that are sentences, with what introduces them on a terminal; and one that the event's name says there.
SENTENCES = {"detail": "", "cause": "", "fix": "Fix: ", "server_said": "Said: "}
PLAIN = "outcome"


class Stream(Protocol):
    """Where lines go: bytes, and unbuffered. A `LineQueue`, where nothing may wait for the reader."""

    def write(self, data: bytes, /) -> int | None:
        """Write, and return how many bytes were taken."""

    def isatty(self) -> bool:
        """Whether a person is watching."""


def stdout() -> io.FileIO:
    """Standard output, without a buffer: what could not be written would come back at exit, as another exit code."""
    if sys.__stdout__ is None:  # started with it closed; the descriptor may be somebody else's by now
        return io.FileIO(os.devnull, "w")
    return io.FileIO(1, "w", closefd=False)


@dataclass(slots=True)
class Said:
    """The last line about a subject: when it was written, its cause, and how many like it were held back since."""

    at: float
    cause: str
    held_back: int = 0


@dataclass(slots=True)
class Trouble:
    """A token that cannot be refreshed, since when, and why by the last of so many attempts."""

    since: float
    attempts: int
    diagnosis: Diagnosis


class Log:
    """An observer that writes a line for each event that somebody may want to read.

    `now` and `wall` are the two clocks: repetitions are timed on the first, lines carry the second.
    """

    def __init__(
        self, stream: Stream, settings: LogSettings, *, now: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._stream = stream
        self._text = settings.format == "text" or (settings.format == "auto" and stream.isatty())
        self._threshold = LOUDNESS[settings.level]
        #: What `FanOut` need not tell: requests are many, and neither of their events is written as a rule.
        self.ignores: set[type[Event]] = set()
        if self._threshold:
            self.ignores.add(Served)
        if not settings.audit:
            self.ignores.add(HandedOut)
        self._now = now
        self._wall = wall
        self._said: LRUCache[tuple[str, ...], Said] = LRUCache(MOST_REMEMBERED)
        self._troubles: dict[str, Trouble] = {}

    def __call__(self, event: Event) -> None:
        """Write `event`, unless it is too quiet or repeats what was just said."""
        if type(event) in self.ignores:
            return
        now = self._now()
        line = line_of(event, now=now, wall=self._wall())
        if more := self._remember(event, now):
            line = replace(line, fields=line.fields | more)
        self.write(line, always=isinstance(event, HandedOut))

    def write(self, line: Line, *, always: bool = False) -> None:
        """Write `line` if it is loud enough (`always`: even if not) and says something new."""
        if LOUDNESS[line.level] < self._threshold and not always:
            return
        now = self._now()
        if line.subject:
            said = self._said.get(line.subject)
            if said and said.cause == line.cause:
                if now - said.at < line.pause:
                    said.held_back += 1
                    return
                if said.held_back:
                    line = replace(line, fields=line.fields | {"repeats": said.held_back})
            self._said[line.subject] = Said(now, line.cause)
        data = self._encode(line)
        with suppress(OSError, ValueError):  # ValueError: the stream is closed
            while data and (taken := self._stream.write(data)):
                data = data[taken:]
        if data:  # dropped: the next one like it is no repetition
            self._said.pop(line.subject, None)

    def mention_dropped(self, lines: int) -> bytes:
        """Encode the line for lines that were dropped because the reader stalled; at any level."""
        fields: dict[str, Value] = {"lines": lines, "fix": LINES_DROPPED_FIX}
        return self._encode(Line(level="warning", event=LINES_DROPPED, fields=fields))

    def _encode(self, line: Line) -> bytes:
        return (text_of(line, self._wall()) if self._text else json_of(line, self._wall())).encode()

    def _remember(self, event: Event, now: float) -> dict[str, Value]:
        """Keep account of what is wrong, and give the fields that only this account has."""
        match event:
            case RefreshFailed():
                trouble = self._troubles.setdefault(event.token, Trouble(now, 0, event.diagnosis))
                trouble.attempts += 1
                trouble.diagnosis = event.diagnosis
            case TokenExpired() if event.token in self._troubles:
                return diagnosed(self._troubles[event.token].diagnosis)
            case Refreshed() if event.token in self._troubles:
                trouble = self._troubles.pop(event.token)
                self._forget("refresh_failed", event.token)
                return {"failed_attempts": trouble.attempts, "failed_for_s": round(now - trouble.since, 1)}
            case KeyLoaded():
                self._forget("key_refused", event.client, event.file)
            case CallerLoaded():
                self._forget("caller_refused", event.caller)
            case SinkWritten() | SinkCleared():
                self._forget("sink_failed", event.file)
            case Reloading():
                # Whoever asked wants to hear what came of it, again if need be.
                for event_name in ("key_refused", "refresh_failed", "caller_refused", "sink_failed"):
                    self._forget(event_name)
            case _:
                pass
        return {}

    def _forget(self, *subject: str) -> None:
        """It is mended: if it breaks again, that is news."""
        for known in [known for known in self._said if known[: len(subject)] == subject]:
            del self._said[known]


class LibraryHandler(logging.Handler):
    """Warnings of asyncio and aiohttp as our lines: who and where, never the message, which may quote a stranger."""

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
    """One JSON object, ASCII only: nothing in it can move a cursor or begin another line."""
    head = {"ts": timestamp(wall, "milliseconds"), "level": line.level, "event": line.event}
    return json.dumps(head | line.fields, separators=(",", ":")) + "\n"


def text_of(line: Line, wall: float) -> str:
    """Local time, level, event, what is known about it, and the sentences last."""
    known = [f"{name}={_word(value)}" for name, value in line.fields.items() if name not in {*SENTENCES, PLAIN}]
    said = [_printable(f"{intro}{line.fields[name]}") for name, intro in SENTENCES.items() if name in line.fields]
    time = datetime.fromtimestamp(wall, tz=UTC).astimezone().strftime("%H:%M:%S")
    text = " ".join([time, f"{line.level.upper():7}", line.event, *known])
    return ": ".join([text, " ".join(said)] if said else [text]) + "\n"


def _word(value: Value) -> str:
    """`value` as one word, in quotation marks where it would not be one."""
    if isinstance(value, list):
        return ",".join(map(_word, value))
    if not isinstance(value, str):
        return json.dumps(value)
    word = _printable(value)
    return word if re.fullmatch(r'[^\s"=,]+', word) else json.dumps(word, ensure_ascii=False)


def _printable(text: str) -> str:
    """`text` without what a terminal would obey: control characters, line separators, marks that reorder a line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
