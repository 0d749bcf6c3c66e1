"""The files with callers' secrets: read as they are, made if there is none. What leaves here are digests."""

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from broker.core.errors import BrokerError
from broker.files import new_files, small_files

#: Bytes of a secret at least, and of a file with secrets at most.
SHORTEST, LARGEST_FILE = 16, 1 << 12
#: Random bytes of a secret that the broker makes.
MADE_BYTES: Final = 32
#: Who may read it then: its owner and its group.
MODE: Final = 0o640


class CallerFileError(BrokerError):
    """The message is a sentence that names the file, and holds nothing of its content."""


def digest(secret: bytes) -> bytes:
    """So that secrets are compared at one length, and none stays in memory."""
    return hashlib.sha256(secret).digest()


def read(file: str) -> frozenset[bytes]:
    """The digests of the one or two secrets in the file. It blocks. Raises CallerFileError."""
    content = _content(file)
    found = [line.strip() for line in content.splitlines() if line.strip()]
    if not 1 <= len(found) <= 2:
        raise CallerFileError(f"{file} must hold one secret, or two lines with one each while it is being changed")
    if any(len(secret) < SHORTEST for secret in found):
        raise CallerFileError(
            f"{file} holds a secret of less than {SHORTEST} bytes; make one with: openssl rand -hex 32"
        )
    if any(not 0x21 <= byte <= 0x7E for secret in found for byte in secret):
        raise CallerFileError(f"{file} holds a secret with a space or a character beyond ASCII; no header carries it")
    if len(set(found)) != len(found):
        raise CallerFileError(f"{file} holds the same secret twice")
    return frozenset(map(digest, found))


def _content(file: str, *, again: bool = True) -> bytes:
    try:
        return small_files.content(file, most=LARGEST_FILE)
    except small_files.UnreadableError as error:
        missing = isinstance(error.__cause__, FileNotFoundError)
        if missing and again:  # Kubernetes removes a version while somebody is on the way to it
            return _content(file, again=False)
        advice = "; mount it there, or write create: true" if missing else ""
        raise CallerFileError(f"{error}{advice}") from None


def create(file: str) -> bool:
    """Write a new secret unless there is one; whoever comes second finds the first one's. It blocks.

    Nobody ever sees half of it. Raises CallerFileError.
    """
    path = Path(file)
    fresh = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        if path.exists():
            return False
        new_files.write_new(fresh, secrets.token_hex(MADE_BYTES).encode() + b"\n", mode=MODE)
        try:
            os.link(fresh, path)  # unlike a rename it replaces nothing
        finally:
            fresh.unlink()
    except FileExistsError:
        return False
    except OSError as error:
        raise CallerFileError(f"{file} cannot be created: {error.strerror}; make its directory writable") from None
    return True
