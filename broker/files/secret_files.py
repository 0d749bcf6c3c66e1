"""Read secrets for the token request from small files, anew for every use, so that a rotation needs no restart."""

import json

from broker.core.errors import SecretFileError
from broker.files import small_files

MAX_BYTES = 1 << 16


async def read_secret(path: str) -> str:
    """Return the single line of the file, stripped. Raises SecretFileError."""
    secret = (await _text(path)).strip()
    if not secret or not secret.isprintable():
        raise SecretFileError(f"{path} must hold one line with the secret and nothing else")
    return secret


async def read_members(path: str) -> dict[str, object]:
    """Return the JSON object in the file. Raises SecretFileError."""
    text = await _text(path)
    try:
        members = json.loads(text)
        # JSON can escape a lone surrogate, which UTF-8 cannot encode.
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
        # A chained UnicodeDecodeError would carry the secret.
        raise SecretFileError(f"{path} is not UTF-8 text") from None
