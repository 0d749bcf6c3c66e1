"""Small files with secrets for the token request, re-read for every use: whoever rotates them need not tell us."""

import json
from pathlib import Path

from broker.errors import SecretFileError

MAX_BYTES = 1 << 16


def read_secret(path: str) -> str:
    """The one line the file holds. Raises SecretFileError."""
    secret = _read(path).strip()
    if not secret or not secret.isprintable():
        raise SecretFileError(f"{path} must hold one line with the secret and nothing else")
    return secret


def read_members(path: str) -> dict[str, object]:
    """The JSON object the file holds. Raises SecretFileError."""
    try:
        members = json.loads(_read(path))
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise SecretFileError(f"{path} must hold one JSON object")
    return members


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise SecretFileError(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise SecretFileError(f"{path} is larger than {MAX_BYTES} bytes; is it the right file?")
    try:
        return content.decode()
    except UnicodeDecodeError:
        # The error would carry the content with it.
        raise SecretFileError(f"{path} is not UTF-8 text") from None
