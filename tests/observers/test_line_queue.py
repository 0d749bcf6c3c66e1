"""The log never waits for its reader: real pipes, a real full disk, a real thread."""

import errno
import gc
import io
import os
import pty
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from broker.observers import line_queue
from broker.observers.line_queue import DRAIN_TIMEOUT, MAX_BYTES, MAX_LINES, LineQueue

LINE = b"x" * 99 + b"\n"


def render_dropped(lines: int) -> bytes:
    return b"%d dropped\n" % lines


@contextmanager
def pipe() -> Iterator[tuple[int, io.FileIO]]:
    """The reading end, and a stream into the writing one; both closed afterwards."""
    reader, writer = os.pipe()
    with io.FileIO(writer, "w") as stream:
        yield reader, stream
    os.close(reader)


def read_until(reader: int, end: bytes) -> bytes:
    """What can be read until it ends with `end`."""
    found = b""
    while not found.endswith(end):
        found += os.read(reader, 1 << 16)
    return found


def wait_for(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_lines_arrive_whole_and_in_order() -> None:
    with pipe() as (reader, stream):
        queue = LineQueue(stream)
        queue.write(b"before the start\n")
        queue.start(render_dropped)
        lines = [b"%d\n" % number for number in range(1000)]
        assert all(queue.write(line) for line in lines)
        queue.close()
        assert read_until(reader, b"999\n") == b"before the start\n" + b"".join(lines)
        assert queue.dropped == 0


def test_queue_in_front_of_a_terminal_is_one() -> None:
    ours, theirs = pty.openpty()
    with pipe() as (_, stream), io.FileIO(theirs, "w") as terminal:
        assert [LineQueue(each).isatty() for each in (stream, terminal)] == [False, True]
    os.close(ours)


def test_stalled_reader_delays_no_write_and_learns_what_was_dropped() -> None:
    with pipe() as (reader, stream):
        queue = LineQueue(stream)
        queue.start(render_dropped)
        for number in range(50_000):  # waits for ever if any of them waits for the reader
            queue.write(b"%d\n" % number)
        text, expected = b"", 0
        while expected < 50_000:
            *lines, text = (text + os.read(reader, 1 << 16)).split(b"\n")
            for line in lines:
                if line.endswith(b" dropped"):
                    expected += int(line.split()[0])
                else:
                    assert int(line) == expected, "a mention stands where lines are missing"
                    expected += 1
        assert queue.dropped > 30_000


def test_reader_that_is_back_is_told_without_a_further_line() -> None:
    with pipe() as (reader, stream):
        queue = LineQueue(stream)
        queue.start(render_dropped)
        while queue.write(LINE):
            pass
        assert read_until(reader, b" dropped\n")


@pytest.mark.parametrize(("line", "most"), [(b"\n", MAX_LINES), (b"x" * 65_535 + b"\n", MAX_BYTES // 65_536)])
def test_queue_is_bounded_by_lines_and_by_bytes(line: bytes, most: int) -> None:
    with pipe() as (_, stream):
        queue = LineQueue(stream)  # not started: nothing is taken out
        assert [bool(queue.write(line)) for _ in range(most + 3)] == [True] * most + [False] * 3
        assert queue.dropped == 3


def test_closing_gives_a_stalled_reader_a_moment_only() -> None:
    with pipe() as (_, stream):
        queue = LineQueue(stream)
        queue.start(render_dropped)
        while queue.write(LINE):
            pass
        began = time.monotonic()
        queue.close()
        assert DRAIN_TIMEOUT * 0.9 < time.monotonic() - began < DRAIN_TIMEOUT + 2
        assert queue.write(LINE) == 0
        os.set_blocking(stream.fileno(), False)  # ends the thread's wait, or it would outlive the pipe


def test_closing_writes_what_waits_and_mentions_what_was_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_queue, "MAX_LINES", 2)
    with pipe() as (reader, stream):
        queue = LineQueue(stream)
        for line in (b"a\n", b"b\n", b"c\n"):
            queue.write(line)
        queue.start(render_dropped)
        queue.close()
        assert os.read(reader, 100) == b"a\nb\n1 dropped\n"


def test_closing_a_queue_that_never_started_does_nothing() -> None:
    with pipe() as (_, stream):
        LineQueue(stream).close()


def test_pipe_made_non_blocking_by_its_other_users_loses_nothing() -> None:
    with pipe() as (reader, stream):
        os.set_blocking(stream.fileno(), False)
        queue = LineQueue(stream)
        queue.start(render_dropped)
        lines = [b"%04d" % number + LINE for number in range(2000)]  # more than a pipe holds
        assert all(queue.write(line) for line in lines)
        assert read_until(reader, lines[-1]) == b"".join(lines)


def test_gone_reader_and_closed_stream_cost_counted_lines_only() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with io.FileIO(writer, "w") as stream:
        queue = LineQueue(stream)
        queue.start(render_dropped)
        queue.write(LINE * 2)
        wait_for(lambda: queue.dropped == 2)
    queue.write(LINE)
    wait_for(lambda: queue.dropped == 3)


def test_full_disk_is_mentioned_once_it_has_room(tmp_path: Path) -> None:
    class Disk(io.FileIO):
        """Full after so many bytes, as the kernel reports it: part of a write is taken, the next one fails."""

        room = 105

        def write(self, data: Any, /) -> int:
            if not self.room:
                raise OSError(errno.ENOSPC, "No space left on device")
            taken = super().write(bytes(data)[: self.room]) or 0
            self.room -= taken
            return taken

    with Disk(tmp_path / "log", "w") as disk:
        queue = LineQueue(disk)
        queue.start(render_dropped)
        for number in range(3):
            queue.write(LINE)
            wait_for(lambda number=number: disk.tell() >= 100 and queue.dropped == number)
        disk.room = 1 << 20
        queue.write(b"room\n")
        queue.close()
    assert (tmp_path / "log").read_bytes() == LINE + b"xxxxx\nroom\n2 dropped\n"


def test_line_from_a_destructor_inside_the_queue_does_not_lock_up() -> None:
    """As asyncio's "Task was destroyed but it is pending!" comes, from the garbage collector, at any allocation."""

    class Logs:
        def __init__(self, queue: LineQueue) -> None:
            self.cycle = self
            self.queue = queue

        def __del__(self) -> None:
            self.queue.write(b"from a destructor\n")

    class Collects(bytes):
        """A line whose length is asked for while the queue is locked."""

        def __len__(self) -> int:
            gc.collect()
            return super().__len__()

    with pipe() as (reader, stream):
        queue = LineQueue(stream)
        Logs(queue)
        queue.write(Collects(b"a line\n"))
        queue.start(render_dropped)
        queue.close()
        assert set(os.read(reader, 100).splitlines()) == {b"from a destructor", b"a line"}
