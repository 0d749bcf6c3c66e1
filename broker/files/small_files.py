"""Read small files that other processes may write, replace or unmount at any time."""

import asyncio
import stat
from pathlib import Path

#: A mount that has gone away makes a read wait for ever; after this many seconds that is an error.
READ_TIMEOUT = 5.0


class UnreadableError(Exception):
    """A file cannot be read. The message names the file and never contains its content."""


async def read(path: str, *, most: int) -> bytes:
    """Return the content of a regular file of at most `most` bytes, read in a thread. Raises UnreadableError."""
    try:
        async with asyncio.timeout(READ_TIMEOUT):
            return await asyncio.to_thread(content, path, most=most)
    except TimeoutError:
        raise UnreadableError(f"{path} cannot be read within {READ_TIMEOUT:g} s; is its volume still there?") from None


def content(path: str, *, most: int) -> bytes:
    """Blocking version of `read`, without a timeout. Raises UnreadableError, from the OSError if there is one."""
    try:
        # A pipe can be read only once, and opening it blocks until there is a writer.
        if not stat.S_ISREG(Path(path).stat().st_mode):
            raise UnreadableError(f"{path} is no regular file; name the file itself")
        with Path(path).open("rb") as file:
            found = file.read(most + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        raise UnreadableError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(found) > most:
        raise UnreadableError(f"{path} is larger than {most} bytes; is it the right file?")
    return found
