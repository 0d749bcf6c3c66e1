"""Sinks: files with the current token, for programs that cannot use the API.

The directory may be shared with untrusted containers. It is opened once per change, without following symlinks that
they could have made. Inside it no symlink is followed and no existing file is opened for writing; replacement is
atomic.
"""

import asyncio
import errno
import math
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal, NoReturn

import msgspec

from broker.core.events import Observer, SinkCleared, SinkFailed, SinkWritten
from broker.core.settings import SinkSettings
from broker.core.tokens import Token
from broker.files import new_files
from broker.refresh.refresher import LONGEST_SLEEP
from broker.refresh.store import Store

#: Seconds before a failed write or removal is retried.
RETRY_INTERVAL = 10.0
#: Flags to open an intermediate directory: O_PATH needs search permission only.
TRAVERSE_FLAGS = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


class Sink:
    """Keeps one file in line with the store: it holds the usable token, or does not exist."""

    def __init__(
        self,
        token: str,
        settings: SinkSettings,
        store: Store,
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
        observe: Observer,
    ) -> None:
        self._token = token
        self._settings = settings
        self._mode = int(settings.mode, 8)
        self._file = Path(settings.path)
        self._store = store
        self._now = now
        self._wall = wall
        self._observe = observe

    async def run(self) -> NoReturn:
        """Follow the store forever. A file from an earlier run is replaced or removed, since its age is unknown."""
        written: Token | Literal["unknown"] | None = "unknown"
        try:
            while True:
                token = self._store.get(self._token)
                if token is written:
                    left = min(token.usable_until - self._now(), LONGEST_SLEEP) if token else None
                elif self._report(token, await asyncio.to_thread(self._apply, token)):
                    written = token
                    continue  # the token may have changed during the write
                else:
                    written, left = await self._retire(written) if token else (written, RETRY_INTERVAL)
                await self._store.next(self._token, left)
        finally:
            if self._settings.remove_on_shutdown:
                self._report(None, self._apply(None))  # synchronous: the event loop is shutting down

    async def _retire(
        self, written: Token | Literal["unknown"] | None
    ) -> tuple[Token | Literal["unknown"] | None, float]:
        """Remove the file if its token expired before it could be replaced; this works on a full disk too.

        Returns the new content and the seconds until the next attempt.
        """
        if isinstance(written, Token) and (usable := written.usable_until - self._now()) > 0:
            return written, min(RETRY_INTERVAL, usable)
        if written and not await asyncio.to_thread(self._apply, None):
            written = None
        return written, RETRY_INTERVAL

    def _report(self, token: Token | None, error: str) -> bool:
        """Emit the outcome. Returns whether the change succeeded."""
        name, file = self._token, str(self._file)
        if error:
            self._observe(SinkFailed(token=name, file=file, detail=error))
        elif token:
            self._observe(SinkWritten(token=name, file=file))
        else:
            self._observe(SinkCleared(token=name, file=file))
        return not error

    def _apply(self, token: Token | None) -> str:
        """Write `token` to the file, or remove the file. Returns an error sentence, empty on success. Blocking."""
        try:
            with _directory_descriptor(self._file.parent) as directory:
                new_files.remove_unfinished(self._file.name, directory=directory)
                if token:
                    new_files.replace(self._file.name, self._encode(token), mode=self._mode, directory=directory)
                else:
                    with suppress(FileNotFoundError):
                        os.unlink(self._file.name, dir_fd=directory)
        except OSError as error:
            return _explain(error, self._file, token)
        return ""

    def _encode(self, token: Token) -> bytes:
        match self._settings.format:
            case "raw":
                return token.access_token.encode()
            case "header":
                return f"Authorization: {token.token_type} {token.access_token}\n".encode()
            case _:
                # No expires_in: it would be wrong as soon as time passes.
                expires_at = math.floor(self._wall() + token.expires_at - self._now())
                members = {
                    "access_token": token.access_token,
                    "token_type": token.token_type,
                    "expires_at": expires_at,
                    "scope": token.scope,
                }
                return msgspec.json.encode(members) + b"\n"


@contextmanager
def _directory_descriptor(directory: Path) -> Iterator[int]:
    """Yield a descriptor of the directory, which stays valid if its path is replaced."""
    if os.open not in os.supports_dir_fd:  # pragma: no cover - Windows
        raise OSError(None, "this system cannot write files safely in a shared directory")
    descriptor = _open_directory(directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open_directory(directory: Path) -> int:
    """Open `directory` without following symlinks that another container may have made.

    Symlinks are followed only on the root file system, since volumes are separate file systems, and never as the last
    component. Raises OSError; its `strerror` names a symlink that is not followed.
    """
    parts = directory.absolute().parts
    current = os.open(parts[0], TRAVERSE_FLAGS)
    try:
        root, trusted = os.fstat(current).st_dev, True
        for depth, part in enumerate(parts[1:], 2):
            trusted = trusted and depth < len(parts) and os.stat(part, dir_fd=current).st_dev == root
            try:
                following = os.open(part, TRAVERSE_FLAGS if trusted else TRAVERSE_FLAGS | os.O_NOFOLLOW, dir_fd=current)
            except NotADirectoryError:
                if not stat.S_ISLNK(os.stat(part, dir_fd=current, follow_symlinks=False).st_mode):
                    raise
                why = (
                    f"{Path(*parts[:depth])} is a symlink, which another container may have made; name a real directory"
                )
                raise OSError(errno.ELOOP, why) from None
            os.close(current)
            current = following
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=current)
    finally:
        os.close(current)


def _explain(error: OSError, file: Path, token: Token | None) -> str:
    what = f"{file} cannot be {'written' if token else 'removed'}"
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return f"{what}: there is no directory {file.parent}; create it, or mount a volume there"
        case PermissionError():
            return f"{what}: uid {os.geteuid()} may not write into {file.parent}; correct its mode or owner"
        case IsADirectoryError():
            return f"{what}: it is a directory; name the file in it"
        case _:
            return f"{what}: {error.strerror}"
