"""Reads and creates the files with callers' secrets. Returns only digests."""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from broker.core.errors import BrokerError
from broker.files import new_files, small_files

#: Shortest secret and largest file, in bytes.
MIN_SECRET_BYTES, MAX_FILE_BYTES = 16, 1 << 12
#: Random bytes in a secret that the broker creates.
NEW_SECRET_BYTES: Final = 32
#: Mode of a created file: readable by owner and group.
MODE: Final = 0o640


class CallerFileError(BrokerError):
    """A secret file cannot be used. The message names the file and never quotes its content."""


def digest(secret: bytes) -> bytes:
    """SHA-256 of a secret: comparisons have equal length, and no secret stays in memory."""
    return hashlib.sha256(secret).digest()


def read(file: str) -> frozenset[bytes]:
    """The digests of the one or two secrets in the file. Blocking. Raises CallerFileError."""
    content = _content(file)
    found = [line.strip() for line in content.splitlines() if line.strip()]
    if not 1 <= len(found) <= 2:
        raise CallerFileError(f"{file} must hold one secret, or two lines with one each while it is being changed")
    if any(len(secret) < MIN_SECRET_BYTES for secret in found):
        raise CallerFileError(
            f"{file} holds a secret of less than {MIN_SECRET_BYTES} bytes; make one with: openssl rand -hex 32"
        )
    if any(not 0x21 <= byte <= 0x7E for secret in found for byte in secret):
        raise CallerFileError(f"{file} holds a secret with a space or a character beyond ASCII; no header carries it")
    if len(set(found)) != len(found):
        raise CallerFileError(f"{file} holds the same secret twice")
    return frozenset(map(digest, found))


def _content(file: str, *, retry: bool = True) -> bytes:
    try:
        return small_files.content(file, most=MAX_FILE_BYTES)
    except small_files.UnreadableError as error:
        missing = isinstance(error.__cause__, FileNotFoundError)
        if missing and retry:  # Kubernetes may swap the volume's ..data symlink between lookup and open
            return _content(file, retry=False)
        advice = "; mount it there, or write create: true" if missing else ""
        raise CallerFileError(f"{error}{advice}") from None


def create(file: str) -> bool:
    """Create the file with a new secret. Returns False if the file exists. Blocking. Raises CallerFileError.

    Atomic: of concurrent creators one succeeds, and no reader sees a partial file.
    """
    path = Path(file)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        if path.exists():
            return False
        new_files.write_new(fresh, secrets.token_hex(NEW_SECRET_BYTES).encode() + b"\n", mode=MODE)
        try:
            os.link(fresh, path)  # unlike rename, link never replaces a file
        finally:
            fresh.unlink()
    except FileExistsError:
        return False
    except OSError as error:
        raise CallerFileError(f"{file} cannot be created: {error.strerror}; make its directory writable") from None
    return True
