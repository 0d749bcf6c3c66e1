"""Files that hold the current token, for programs that can read nothing else. Readers of the store, like the listeners.

The directory may be shared with containers that are not to be trusted: it is opened once for each change, through no
symlink of theirs; within it nothing is followed, nothing that exists is written to, and no reader sees half of a token.
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

#: Seconds until a file that could not be written is tried again.
RETRY = 10.0
#: For a directory on the way: searching it needs no permission to read it.
STEP = getattr(os, "O_PATH", os.O_RDONLY) | getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


class Sink:
    """Keeps one file as the store says: the token while it is usable, else no file."""

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
        """Follow the store for ever. A file that was there before is replaced or removed: its age is unknown."""
        written: Token | Literal["unknown"] | None = "unknown"
        try:
            while True:
                token = self._store.get(self._token)
                if token is written:
                    left = min(token.usable_until - self._now(), LONGEST_SLEEP) if token else None
                elif self._report(token, await asyncio.to_thread(self._apply, token)):
                    written = token
                    continue  # another may have come meanwhile
                else:
                    written, left = await self._retire(written) if token else (written, RETRY)
                await self._store.next(self._token, left)
        finally:
            if self._settings.remove_on_shutdown:
                self._report(None, self._apply(None))  # the loop is ending: there is nobody left to wait for it

    async def _retire(
        self, written: Token | Literal["unknown"] | None
    ) -> tuple[Token | Literal["unknown"] | None, float]:
        """Remove a token that expired before it could be replaced: that needs no space on a full disk.

        Returns what the file holds then, and the seconds until the next attempt.
        """
        if isinstance(written, Token) and (usable := written.usable_until - self._now()) > 0:
            return written, min(RETRY, usable)
        if written and not await asyncio.to_thread(self._apply, None):
            written = None
        return written, RETRY

    def _report(self, token: Token | None, fault: str) -> bool:
        """Emit how it went. Returns whether the file holds `token` now."""
        name, file = self._token, str(self._file)
        if fault:
            self._observe(SinkFailed(token=name, file=file, detail=fault))
        elif token:
            self._observe(SinkWritten(token=name, file=file))
        else:
            self._observe(SinkCleared(token=name, file=file))
        return not fault

    def _apply(self, token: Token | None) -> str:
        """Make the file say `token`; a sentence when that cannot be done."""
        try:
            with _opened(self._file.parent) as directory:
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
                # No expires_in: it would be right at one moment only.
                expires_at = math.floor(self._wall() + token.expires_at - self._now())
                members = {
                    "access_token": token.access_token,
                    "token_type": token.token_type,
                    "expires_at": expires_at,
                    "scope": token.scope,
                }
                return msgspec.json.encode(members) + b"\n"


@contextmanager
def _opened(directory: Path) -> Iterator[int]:
    """Open the directory; what happens to its path meanwhile does not matter."""
    if os.open not in os.supports_dir_fd:  # pragma: no cover - Windows
        raise OSError(None, "this system cannot write files safely in a shared directory")
    descriptor = _open(directory)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _open(directory: Path) -> int:
    """A descriptor of `directory`, reached by no symlink that another container may have made.

    Volumes are other file systems than `/`. A symlink is followed on the way to the first volume only, and never in
    place of the directory itself. Raises OSError, whose `strerror` names a symlink that is not followed.
    """
    parts = directory.absolute().parts
    here = os.open(parts[0], STEP)
    try:
        root, trusted = os.fstat(here).st_dev, True
        for depth, part in enumerate(parts[1:], 2):
            trusted = trusted and depth < len(parts) and os.stat(part, dir_fd=here).st_dev == root
            try:
                there = os.open(part, STEP if trusted else STEP | os.O_NOFOLLOW, dir_fd=here)
            except NotADirectoryError:
                if not stat.S_ISLNK(os.stat(part, dir_fd=here, follow_symlinks=False).st_mode):
                    raise
                why = (
                    f"{Path(*parts[:depth])} is a symlink, which another container may have made; name a real directory"
                )
                raise OSError(errno.ELOOP, why) from None
            os.close(here)
            here = there
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
    finally:
        os.close(here)


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
