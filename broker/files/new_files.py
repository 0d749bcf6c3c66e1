"""Writing a new file: never through a symlink, never into a file that exists, with its mode from the first byte on.

Names are paths, or relative to the descriptor `directory` of an open directory.
"""

import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
#: End of the name of a file that `replace` is writing; a crash may leave one behind.
UNFINISHED = re.compile(r"[0-9a-f]{16}\.new")


def write_new(
    file: str | Path, content: bytes, *, mode: int, directory: int | None = None, durable: bool = False
) -> None:
    """Create `file` with `content` and `mode`, whatever the umask, and leave no file if that fails.

    `durable` waits until the content is on the disk. Raises OSError; FileExistsError if anything has that name.
    """
    descriptor = os.open(file, FLAGS, mode, dir_fd=directory)
    try:
        try:
            if hasattr(os, "fchmod"):  # pragma: no branch - not on Windows
                os.fchmod(descriptor, mode)  # the umask may have removed bits, and there is nothing to read yet
            view = memoryview(content)
            while view:
                view = view[os.write(descriptor, view) :]
            if durable:
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except BaseException:
        with suppress(OSError):
            os.unlink(file, dir_fd=directory)
        raise


def replace(name: str, content: bytes, *, mode: int, directory: int) -> None:
    """Put a new file in the place of whatever is called `name`; a symlink there is replaced, not followed.

    Readers see the old content or the new one, never a part. Raises OSError.
    """
    fresh = f".{name}.{secrets.token_hex(8)}.new"
    write_new(fresh, content, mode=mode, directory=directory)
    try:
        os.rename(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with suppress(OSError):
            os.unlink(fresh, dir_fd=directory)
        raise


def remove_unfinished(name: str, *, directory: int) -> None:
    """Remove the files that a crash within `replace` left beside `name`."""
    prefix = f".{name}."
    for found in os.listdir(directory):
        if found.startswith(prefix) and UNFINISHED.fullmatch(found.removeprefix(prefix)):
            with suppress(OSError):
                os.unlink(found, dir_fd=directory)
