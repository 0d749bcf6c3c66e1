"""An observer that keeps the latest events per token and client for the status page."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import ClassVar, Final

from broker.core.events import (
    ClockMeasured,
    ConfigChanged,
    Crashed,
    Event,
    HandedOut,
    KeyLoaded,
    KeyRefused,
    Listening,
    Refreshed,
    RefreshFailed,
    Refused,
    Served,
    SinkCleared,
    SinkFailed,
    SinkWritten,
    Warned,
)

#: Most warnings to keep; the oldest is dropped.
MOST_WARNINGS: Final = 8


class TokenHistory:
    """The history of one token. Timestamps are on the boot-time clock."""

    __slots__ = ("failed", "failing_since", "failures", "handed_out", "handed_out_at", "refreshed")

    def __init__(self) -> None:
        self.refreshed: Refreshed | None = None
        #: The last failure; `failures` in a row since `failing_since`. A success resets them.
        self.failed: RefreshFailed | None = None
        self.failures = 0
        self.failing_since = 0.0
        self.handed_out = 0
        self.handed_out_at = 0.0


class SinkHistory:
    """The history of one sink. Timestamps are on the boot-time clock."""

    __slots__ = ("cleared", "failed", "failed_at", "written_at")

    def __init__(self) -> None:
        self.written_at: float | None = None
        #: Whether the file has been removed since it was written.
        self.cleared = False
        #: The last failure, `None` after a success.
        self.failed: SinkFailed | None = None
        self.failed_at = 0.0


class History:
    """An observer whose size is bounded by the configuration. `now` is the boot-time clock."""

    #: Event types that `FanOut` skips: they occur on each request.
    ignores: ClassVar[frozenset[type[Event]]] = frozenset({Served, Refused})

    def __init__(self, tokens: Iterable[str], *, now: Callable[[], float]) -> None:
        self._now = now
        self.started_at = now()
        self.tokens = {name: TokenHistory() for name in tokens}
        #: By client and file: when a key was last loaded, when the file was last refused.
        self.keys_loaded: dict[tuple[str, str], float] = {}
        self.keys_refused: dict[tuple[str, str], float] = {}
        #: By token and file.
        self.sinks: dict[tuple[str, str], SinkHistory] = {}
        self.clocks: dict[str, tuple[ClockMeasured, float]] = {}
        self.listening: dict[str, tuple[str, ...]] = {}
        self.config_stale = False
        self.warnings: deque[str] = deque(maxlen=MOST_WARNINGS)
        self.crash: Crashed | None = None

    def __call__(self, event: Event) -> None:
        """Record `event`. The most frequent events are matched first."""
        match event:
            case HandedOut():
                token = self.tokens[event.token]
                token.handed_out += event.times
                token.handed_out_at = self._now()
            case Served() | Refused():
                pass
            case Refreshed():
                token = self.tokens[event.token]
                token.refreshed, token.failed, token.failures = event, None, 0
            case RefreshFailed():
                self._on_refresh_failed(event)
            case KeyLoaded() | KeyRefused() | ClockMeasured():
                self._on_client(event)
            case SinkWritten() | SinkCleared() | SinkFailed():
                self._on_sink(event)
            case _:
                self._on_process(event)

    def _on_refresh_failed(self, event: RefreshFailed) -> None:
        token = self.tokens[event.token]
        if not token.failures:
            token.failing_since = self._now()
        token.failed = event
        token.failures += 1

    def _on_client(self, event: KeyLoaded | KeyRefused | ClockMeasured) -> None:
        match event:
            case KeyLoaded():
                self.keys_loaded[event.client, event.file] = self._now()
            case KeyRefused():
                self.keys_refused[event.client, event.file] = self._now()
            case _:
                self.clocks[event.client] = event, self._now()

    def _on_sink(self, event: SinkWritten | SinkCleared | SinkFailed) -> None:
        sink = self.sinks.setdefault((event.token, event.file), SinkHistory())
        if isinstance(event, SinkFailed):
            sink.failed, sink.failed_at = event, self._now()
            return
        sink.failed, sink.cleared = None, isinstance(event, SinkCleared)
        if not sink.cleared:
            sink.written_at = self._now()

    def _on_process(self, event: Event) -> None:
        match event:
            case Listening():
                self.listening[event.listener] = event.addresses
            case ConfigChanged():
                self.config_stale = event.stale
            case Warned():
                self.warnings.append(event.detail)
            case Crashed():
                self.crash = event
            case _:
                pass
