"""A bounded queue in front of standard output: a stalled reader loses log lines and never blocks the event loop."""

import io
import select
import threading
from collections import deque
from collections.abc import Callable

#: Bounds of the queue.
MAX_LINES = 4096
MAX_BYTES = 1 << 20
#: Largest write, unless a single line is longer. Batches save thread switches.
MAX_BATCH_BYTES = 1 << 15
#: Longest time in seconds that `close` waits for queued lines to be written.
DRAIN_TIMEOUT = 0.3


class LineQueue:
    """A non-blocking stream that writes lines to `stream` from a daemon thread. Thread-safe.

    Lines beyond `MAX_LINES` or `MAX_BYTES`, and lines that cannot be written, are dropped.
    """

    def __init__(self, stream: io.FileIO) -> None:
        self._stream = stream
        # Reentrant: a destructor that logs may run in this thread while it holds the lock.
        self._changed = threading.Condition(threading.RLock())
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        #: Lines dropped since the start; `_unreported`: since the log last reported any.
        self.dropped = 0
        self._unreported = 0
        #: Whether the last write succeeded; while writes fail, a report of dropped lines would be lost too.
        self._writable = True
        self._inside_line = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def write(self, line: bytes, /) -> int:
        """Queue one complete line. Returns its length, or 0 if it was dropped."""
        with self._changed:
            if self._closed or len(self._lines) >= MAX_LINES or self._bytes + len(line) > MAX_BYTES:
                self._drop(1)
                return 0
            self._append(line)
            self._changed.notify()
        return len(line)

    def start(self, render_dropped: Callable[[int], bytes]) -> None:
        """Start the writer thread. `render_dropped` makes the line that reports a number of dropped lines."""
        self._thread = threading.Thread(target=self._run, args=(render_dropped,), name="log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write queued lines, for at most `DRAIN_TIMEOUT` seconds; later lines are dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join(DRAIN_TIMEOUT)

    def _append(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)

    def _drop(self, lines: int) -> None:
        self.dropped += lines
        self._unreported += lines

    def _run(self, render_dropped: Callable[[int], bytes]) -> None:
        while batch := self._next(render_dropped):
            data = b"\n" + batch if self._inside_line else batch
            rest = self._write_all(data)
            if len(rest) < len(data):
                self._inside_line = not data.removesuffix(rest).endswith(b"\n")
            with self._changed:
                self._writable = not rest
                self._drop(min(rest.count(b"\n"), batch.count(b"\n")))

    def _next(self, render_dropped: Callable[[int], bytes]) -> bytes:
        """Wait for lines and take one batch; empty once the queue is closed and drained."""
        with self._changed:
            while not (self._lines or self._closed or (self._unreported and self._writable)):
                self._changed.wait()
            if self._unreported and self._writable:  # after all lines queued before the first drop
                self._append(render_dropped(self._unreported))
                self._unreported = 0
            batch: list[bytes] = []
            size = 0
            while self._lines and (not batch or size + len(self._lines[0]) <= MAX_BATCH_BYTES):
                batch.append(self._lines.popleft())
                size += len(batch[-1])
            self._bytes -= size
            return b"".join(batch)

    def _write_all(self, data: bytes) -> bytes:
        """Write `data`, blocking while the reader stalls. Returns the rest that could not be written."""
        try:
            while data:
                taken = self._stream.write(data)
                if taken is None:  # another process made the shared pipe non-blocking
                    select.select([], [self._stream], [])
                else:
                    data = data[taken:]
        except (OSError, ValueError):  # full disk or closed pipe; ValueError: the stream is closed
            pass
        return data
