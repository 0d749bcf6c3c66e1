"""A consistent snapshot of the files of one `private_keys` entry: key, key id, passphrase, certificate."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from broker.core.errors import KeyFileError
from broker.core.settings import KeySettings
from broker.files import small_files
from broker.keys.private import is_kid

MAX_BYTES = 1 << 16
#: Attempts in a row at a consistent read; after that the next poll tries again.
MAX_READS = 5

#: Device, inode, size and times of each file, symlinks followed, or the error. Equal while the files are unchanged.
Stamp = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The contents of one entry's files, read together. `digest` identifies the contents without revealing them."""

    key: bytes = field(repr=False)
    kid: str | None
    passphrase: bytes | None = field(repr=False)
    certificate: bytes | None = field(repr=False)
    digest: bytes


def stamp(entry: KeySettings) -> Stamp:
    """Return a value that changes when one of the entry's files does; about 5 µs a file. Never raises."""
    return tuple(_stamp(path) for path in paths(entry))


def read(entry: KeySettings) -> Content:
    """Read the entry's files. Raises KeyFileError with a sentence that names the file.

    Kubernetes updates a volume by swapping its `..data` symlink. If the stamps differ before and after reading, the
    contents may mix two versions (one key, another key's id), and the files are read again.
    """
    for _ in range(MAX_READS):
        before = stamp(entry)
        failure, contents = None, []
        try:
            contents = [_read(path) for path in paths(entry)]
        except KeyFileError as error:
            failure = str(error)  # the old version's directory may just have been removed
        if stamp(entry) == before:
            if failure is not None:
                raise KeyFileError(failure)
            return _content(entry, contents)
    raise KeyFileError(f"{entry.file} keeps changing while it is read; it is tried again")


def paths(entry: KeySettings) -> Iterator[str]:
    """Yield the paths of the entry's files, the key first."""
    yield entry.file
    for path in (entry.kid_file, entry.passphrase_file, entry.certificate_file):
        if path is not None:
            yield path


def _stamp(path: str) -> Stamp:
    try:
        found = Path(path).stat()
    except (OSError, ValueError) as error:
        return (type(error), getattr(error, "errno", None))
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _read(path: str) -> bytes:
    try:
        return small_files.content(path, most=MAX_BYTES)
    except small_files.UnreadableError as error:
        raise KeyFileError(_explain(path, error)) from None


def _explain(path: str, error: small_files.UnreadableError) -> str:
    match error.__cause__:
        case FileNotFoundError():
            return f"{path} does not exist; mount it there or correct the name"
        case PermissionError():
            return (
                f"{path} may not be read by {_whoami()}; correct its mode or owner"
                " (in Kubernetes: securityContext.fsGroup)"
            )
        case _:
            return str(error)


def _whoami() -> str:
    return f"uid {os.geteuid()}" if hasattr(os, "geteuid") else "this user"


def _content(entry: KeySettings, contents: list[bytes]) -> Content:
    digest = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in contents)).digest()
    key, *others = contents
    kid = entry.kid
    if entry.kid_file is not None:
        kid = _kid(entry, others.pop(0))
    passphrase = None
    if entry.passphrase_file is not None:
        passphrase = others.pop(0).rstrip(b"\r\n")
        if not passphrase:
            raise KeyFileError(f"{entry.passphrase_file} is empty; write the passphrase into it")
    certificate = None if entry.certificate_file is None else others.pop(0)
    return Content(key=key, kid=kid, passphrase=passphrase, certificate=certificate, digest=digest)


def _kid(entry: KeySettings, content: bytes) -> str:
    """Return the key id. Error texts omit the content: a wrong file may hold a secret."""
    try:
        kid = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        kid = ""
    if not is_kid(kid):
        raise KeyFileError(f"{entry.kid_file} must hold the key id, one printable line, and nothing else")
    if entry.kid not in {None, kid}:
        raise KeyFileError(f"{entry.kid_file} holds another key id than the configured kid {entry.kid!r}; keep one")
    return kid
