"""Files that somebody else may be writing."""

import os
from pathlib import Path

import pytest

from broker.core.errors import SecretFileError
from broker.files import small_files
from broker.files.secret_files import read_secret


async def test_a_small_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    assert await small_files.read(str(tmp_path / "f"), most=7) == b"content"


async def test_one_that_is_too_large_is_named(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"content")
    with pytest.raises(small_files.UnreadableError, match="f is larger than 6 bytes"):
        await small_files.read(str(tmp_path / "f"), most=6)


async def test_one_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(small_files.UnreadableError, match="f cannot be read: No such file"):
        await small_files.read(str(tmp_path / "f"), most=6)


async def test_a_pipe_is_refused_instead_of_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "f")
    with pytest.raises(small_files.UnreadableError, match="no regular file"):
        await small_files.read(str(tmp_path / "f"), most=6)


@pytest.mark.parametrize("content", ["", "\n", "two\nlines", "a\x00b"])
async def test_a_secret_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "f").write_text(content)
    with pytest.raises(SecretFileError, match="one line with the secret") as error:
        await read_secret(str(tmp_path / "f"))
    assert "lines" not in str(error.value)


async def test_the_line_end_is_no_part_of_a_secret(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("pass word\r\n")
    assert await read_secret(str(tmp_path / "f")) == "pass word"


async def test_path_with_a_nul_is_unreadable_not_a_crash() -> None:
    with pytest.raises(small_files.UnreadableError, match="cannot be read: embedded null byte"):
        await small_files.read("f\0", most=6)
