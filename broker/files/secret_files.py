"""Small files with secrets for the token request, re-read for every use: whoever rotates them need not tell us."""

import json

from broker.core.errors import SecretFileError
from broker.files import small_files

MAX_BYTES = 1 << 16


async def read_secret(path: str) -> str:
    """The one line the file holds. Raises SecretFileError."""
    secret = (await _text(path)).strip()
    if not secret or not secret.isprintable():
        raise SecretFileError(f"{path} must hold one line with the secret and nothing else")
    return secret


async def read_members(path: str) -> dict[str, object]:
    """The JSON object the file holds. Raises SecretFileError."""
    text = await _text(path)
    try:
        members = json.loads(text)
        # JSON can say half a surrogate pair, which no encoding can send.
        json.dumps(members, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise SecretFileError(f"{path} must hold one JSON object")
    return members


async def _text(path: str) -> str:
    try:
        return (await small_files.read(path, most=MAX_BYTES)).decode()
    except small_files.UnreadableError as error:
        raise SecretFileError(str(error)) from error
    except UnicodeDecodeError:
        # The error would carry the content with it.
        raise SecretFileError(f"{path} is not UTF-8 text") from None
