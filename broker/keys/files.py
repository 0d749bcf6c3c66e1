"""What one entry of `private_keys` names, read from one moment: the key, its id, its passphrase, its certificate."""

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
#: Looks in a row that may find the files changed under us before the next poll has to try.
MAX_READS = 5

#: Equal while nobody wrote: device, inode, size, times of each file, symlinks followed; or why there is none.
Stamp = tuple[object, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """The files of one entry, all of the same moment. `digest` tells contents apart, and nothing else about them."""

    key: bytes = field(repr=False)
    kid: str | None
    passphrase: bytes | None = field(repr=False)
    certificate: bytes | None = field(repr=False)
    digest: bytes


def stamp(entry: KeySettings) -> Stamp:
    """What changes when one of the entry's files does; costs some five microseconds a file. Never raises."""
    return tuple(_stamp(path) for path in paths(entry))


def read(entry: KeySettings) -> Content:
    """Read the entry's files. Raises KeyFileError with a sentence that names the file.

    Kubernetes swaps the symlink `..data` of the whole directory at once: files that are stamped differently before and
    after may be of two versions, a key with another's id, and are read again.
    """
    for _ in range(MAX_READS):
        before = stamp(entry)
        failure, contents = None, []
        try:
            contents = [_read(path) for path in paths(entry)]
        except KeyFileError as error:
            failure = str(error)  # perhaps only because the old version's directory has just gone
        if stamp(entry) == before:
            if failure is not None:
                raise KeyFileError(failure)
            return _content(entry, contents)
    raise KeyFileError(f"{entry.file} keeps changing while it is read; it is tried again")


def paths(entry: KeySettings) -> Iterator[str]:
    """All that it names, the key itself first."""
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
    """Never shown here: a kid_file that is no such thing may be a secret."""
    try:
        kid = content.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        kid = ""
    if not is_kid(kid):
        raise KeyFileError(f"{entry.kid_file} must hold the key id, one printable line, and nothing else")
    if entry.kid not in {None, kid}:
        raise KeyFileError(f"{entry.kid_file} holds another key id than the configured kid {entry.kid!r}; keep one")
    return kid
