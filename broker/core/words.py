"""Other people's text, made fit for one log line: no control characters, bounded, nothing that could be a secret."""

import re
from collections.abc import Iterable

#: Longer texts are cut, with an ellipsis.
LONGEST = 256
#: What a server sends beyond this is not looked at.
LOOKED_AT = 4096

REMOVED = "[removed]"
_URL_USER = re.compile(r"//[^/\s@]*+@")
_URL_QUERY = re.compile(r"(?i)(https?://[^\s?#]*+)[?#]\S*+")
_RUN = re.compile(r"[A-Za-z0-9_-]++(?:\.[A-Za-z0-9_-]*+)*+")
_BASE64 = re.compile(r"[A-Za-z0-9+/]{40,}+={0,2}+")
_SNAKE_CASE = re.compile(r"[a-z]{1,20}(?:[_-][a-z]{1,20})+")
#: RFC 7515: a JSON object that starts with {" in base64url.
_JOSE = "eyJ"
_OPAQUE = 40
_PARTS_OF_JWT = 3
_PART_OF_JWT = 16


def clean(text: str) -> str:
    """`text` for people and logs, at most `LONGEST` characters; what may be a token, a key or a password is removed."""
    line = one_line(text[:LOOKED_AT])
    line = _URL_QUERY.sub(r"\1", _URL_USER.sub("//", line))
    line = _BASE64.sub(lambda run: REMOVED if set("+=") & set(run[0]) else run[0], line)
    line = _RUN.sub(lambda run: REMOVED if _may_be_secret(run[0]) else run[0], line)
    return bounded(line, LONGEST)


def without(text: str, secrets: Iterable[str]) -> str:
    """`text` without what we had sent ourselves, the longest first: one secret may be part of another."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, REMOVED)
    return text


def one_line(text: str) -> str:
    """`text` in one line of printable characters: a newline forges log lines, a bidirectional mark reorders them."""
    printable = (c if c.isprintable() else " " if c.isspace() or c < " " else "" for c in text)
    return " ".join("".join(printable).split())


def bounded(text: str, longest: int) -> str:
    """`text`, or its beginning and an ellipsis."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _may_be_secret(run: str) -> bool:
    """Whether dotted base64url is a JWT, or opaque and long. Host names and `names_of_parameters` are neither."""
    parts = run.split(".")
    jwt = len(parts) >= _PARTS_OF_JWT and all(len(part) >= _PART_OF_JWT for part in parts)
    return jwt or any(
        part.startswith(_JOSE) or (len(part) >= _OPAQUE and not _SNAKE_CASE.fullmatch(part)) for part in parts
    )
