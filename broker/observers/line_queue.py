"""A bounded queue in front of standard output: a reader that stalls costs log lines, never the event loop."""

import io
import select
import threading
from collections import deque
from collections.abc import Callable

#: What waits for the reader at most.
MAX_LINES = 4096
MAX_BYTES = 1 << 20
#: Bytes that one write passes on at most, unless a single line is longer: each write costs the thread a turn.
BATCH = 1 << 15
#: Seconds that `close` gives the reader for what still waits.
DRAIN = 0.3


class LineQueue:
    """A stream that takes lines without blocking and writes them to `stream` from a daemon thread.

    Beyond `MAX_LINES` or `MAX_BYTES` the newest line is dropped, as is what `stream` fails to take. Lines may come from
    any thread.
    """

    def __init__(self, stream: io.FileIO) -> None:
        self._stream = stream
        # Reentrant: the garbage collector may run a destructor that logs while this thread holds the lock.
        self._changed = threading.Condition(threading.RLock())
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        #: Lines dropped so far, and since the log last mentioned any.
        self.dropped = 0
        self._unmentioned = 0
        #: Whether the last write succeeded: while writes fail, a mention would only be lost as well.
        self._writable = True
        self._inside_line = False
        self._closed = False
        self._thread: threading.Thread | None = None

    def isatty(self) -> bool:
        """Whether a person is watching."""
        return self._stream.isatty()

    def write(self, line: bytes, /) -> int:
        """Queue one whole line. Returns 0 when it was dropped, else its length."""
        with self._changed:
            if self._closed or len(self._lines) >= MAX_LINES or self._bytes + len(line) > MAX_BYTES:
                self._drop(1)
                return 0
            self._put(line)
            self._changed.notify()
        return len(line)

    def start(self, mention: Callable[[int], bytes]) -> None:
        """Begin to write. `mention` makes the line that stands where lines were dropped, from their number."""
        self._thread = threading.Thread(target=self._run, args=(mention,), name="log", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, for at most `DRAIN` seconds; lines that come later are dropped."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread:
            self._thread.join(DRAIN)

    def _put(self, line: bytes) -> None:
        self._lines.append(line)
        self._bytes += len(line)

    def _drop(self, lines: int) -> None:
        self.dropped += lines
        self._unmentioned += lines

    def _run(self, mention: Callable[[int], bytes]) -> None:
        while batch := self._next(mention):
            data = b"\n" + batch if self._inside_line else batch
            left = self._pass_on(data)
            if len(left) < len(data):
                self._inside_line = not data.removesuffix(left).endswith(b"\n")
            with self._changed:
                self._writable = not left
                self._drop(min(left.count(b"\n"), batch.count(b"\n")))

    def _next(self, mention: Callable[[int], bytes]) -> bytes:
        """Wait for lines and take as many as fit into one write; empty when closed and drained."""
        with self._changed:
            while not (self._lines or self._closed or (self._unmentioned and self._writable)):
                self._changed.wait()
            if self._unmentioned and self._writable:  # behind all that was queued before the first was dropped
                self._put(mention(self._unmentioned))
                self._unmentioned = 0
            batch: list[bytes] = []
            size = 0
            while self._lines and (not batch or size + len(self._lines[0]) <= BATCH):
                batch.append(self._lines.popleft())
                size += len(batch[-1])
            self._bytes -= size
            return b"".join(batch)

    def _pass_on(self, data: bytes) -> bytes:
        """Write `data`, waiting as long as the reader does not read. Returns what a failure left of it."""
        try:
            while data:
                taken = self._stream.write(data)
                if taken is None:  # somebody who shares the pipe made it non-blocking
                    select.select([], [self._stream], [])
                else:
                    data = data[taken:]
        except (OSError, ValueError):  # a full disk, a reader that has gone; ValueError: the stream is closed
            pass
        return data
