"""Reading the configuration file, and detecting later changes."""

import hashlib
import stat
from pathlib import Path

from msgspec import Struct

from broker.config.document import Document
from broker.config.yaml12 import parse
from broker.core.errors import ConfigError

MAX_BYTES = 1 << 20


class ConfigFile(Struct, frozen=True):
    """A file that was read. `digest` is `None` for a pipe, which can be read only once."""

    path: str
    digest: bytes | None

    def changed(self) -> bool:
        """Whether the content differs now; a rewrite or `..data` swap with the same content does not count."""
        if self.digest is None:
            return False
        try:
            return _digest(_content(self.path)) != self.digest
        except OSError:
            return True


def present(path: str) -> bool:
    """Whether `path` exists, readable or not."""
    try:
        Path(path).stat()
    except OSError as error:
        return not isinstance(error, FileNotFoundError | NotADirectoryError)
    return True


def read(path: str) -> tuple[Document, ConfigFile]:
    """Read the file at `path`. Raises ConfigError."""
    try:
        content = _content(path)
        once = not stat.S_ISREG(Path(path).stat().st_mode)
    except OSError as error:
        raise ConfigError([f"{path}: the configuration file cannot be read: {error.strerror}"]) from None
    if len(content) > MAX_BYTES:
        raise ConfigError([f"{path}: is larger than {MAX_BYTES} bytes; is it the right file?"])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError([f"{path}:{line}: is not UTF-8 text"]) from None
    return parse(text.replace("\r\n", "\n"), path), ConfigFile(path, None if once else _digest(content))


def _content(path: str) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(MAX_BYTES + 1)


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
