"""Writing a new file: nothing that exists is written to, and a failure leaves nothing behind."""

import os
import resource
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from broker.files.new_files import remove_unfinished, replace, write_new


@contextmanager
def directory_of(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_mode_is_exact_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        write_new(tmp_path / "f", b"content", mode=0o640, durable=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o640
    assert (tmp_path / "f").read_bytes() == b"content"


def test_symlink_is_neither_followed_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        write_new(tmp_path / "link", b"content", mode=0o600)
    assert (tmp_path / "link").is_symlink()
    assert not (tmp_path / "elsewhere").exists()


def test_file_that_cannot_be_completed_is_removed(tmp_path: Path) -> None:
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4, limits[1]))
    try:
        with pytest.raises(OSError, match="too large"):
            write_new(tmp_path / "f", b"content", mode=0o600)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(tmp_path.iterdir()) == []


def test_failed_replacement_leaves_no_new_file(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with directory_of(tmp_path) as directory, pytest.raises(IsADirectoryError):
        replace("f", b"content", mode=0o600, directory=directory)
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


def test_only_unfinished_files_of_that_name_are_removed(tmp_path: Path) -> None:
    kept = {".f.0123456789abcdef", ".f.x.new", ".g.0123456789abcdef.new"}
    for name in (*kept, ".f.0123456789abcdef.new"):
        (tmp_path / name).touch()
    with directory_of(tmp_path) as directory:
        remove_unfinished("f", directory=directory)
    assert {path.name for path in tmp_path.iterdir()} == kept
