"""A client's registered public keys: inline, in a file, or at a URL (`jwks_uri`)."""

import asyncio
import base64
import json
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol

import aiohttp
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from yarl import URL

from broker.devserver import texts
from broker.devserver.texts import RefusedError

#: Seconds. Okta documents no figure, only that it caches: a new key at a URL is not known at once.
JWKS_URI_MAX_AGE = 60.0
_TOO_BIG = 1 << 20
_MIN_RSA_BITS = 2048
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_TYPES: dict[str, type[RSAKey] | type[ECKey]] = {"RSA": RSAKey, "EC": ECKey}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredKey:
    """A public key of a client."""

    kid: str | None
    use: str | None
    algorithm: str | None
    key: RSAKey | ECKey


class KeySource(Protocol):
    """Where a client's keys come from."""

    @property
    def url(self) -> str | None:
        """The registered `jwks_uri`, if any."""

    async def keys(self) -> tuple[RegisteredKey, ...]:
        """Return the current keys. Raises RefusedError if they are unavailable."""


def parse(document: object) -> tuple[RegisteredKey, ...]:
    """Parse a JWKS or a single JWK (RFC 7517). Key types that Okta does not accept are ignored (section 5).

    Raises ValueError with a text for the user.
    """
    if isinstance(document, Mapping) and "kty" in document:
        document = {"keys": [document]}
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list) or not all(isinstance(jwk, Mapping) for jwk in listed):
        msg = 'it is not a JWKS: an object with "keys", a list of public keys, is expected'
        raise ValueError(msg)
    return tuple(_key(jwk) for jwk in listed if jwk.get("kty") in _TYPES)


def _key(jwk: Mapping[str, Any]) -> RegisteredKey:
    if _PRIVATE & jwk.keys():
        msg = "it holds the private half of a key; register the public half only"
        raise ValueError(msg)
    try:
        # joserfc only warns about a short RSA key.
        short = jwk["kty"] == "RSA" and _bits(jwk["n"]) < _MIN_RSA_BITS
        key = None if short else _TYPES[jwk["kty"]].import_key(dict(jwk))
    except (JoseError, KeyError, TypeError, ValueError) as error:
        msg = "it holds a key that is not a valid JWK"
        raise ValueError(msg) from error
    if key is None:
        msg = f"it holds an RSA key of less than {_MIN_RSA_BITS} bits"
        raise ValueError(msg)
    return RegisteredKey(kid=jwk.get("kid"), use=jwk.get("use"), algorithm=jwk.get("alg"), key=key)


def _bits(number: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(number + "=" * (-len(number) % 4))).bit_length()


def read_file(path: Path) -> tuple[RegisteredKey, ...]:
    """Parse the JWKS or JWK in a file. Raises ValueError with a text that names the file."""
    try:
        return parse(json.loads(path.read_bytes()))
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise ValueError(msg) from error
    except ValueError as error:
        why = "it is not JSON" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else str(error)
        msg = f"{path} cannot be used: {why}"
        raise ValueError(msg) from error


class InlineKeys:
    """Keys registered by value."""

    url = None

    def __init__(self, keys: tuple[RegisteredKey, ...]) -> None:
        self._keys = keys

    async def keys(self) -> tuple[RegisteredKey, ...]:
        """Return the keys, at least one. Raises RefusedError."""
        if not self._keys:
            raise RefusedError(texts.NO_JWKS)
        return _unambiguous(self._keys, texts.BAD_JWKS)


class FileKeys:
    """Keys in a file, re-read for each request."""

    url = None

    def __init__(self, path: Path) -> None:
        self._path = path

    async def keys(self) -> tuple[RegisteredKey, ...]:
        """Read the keys from the file. Raises RefusedError."""
        try:
            keys = read_file(self._path)
        except ValueError as error:
            raise RefusedError(texts.BAD_JWKS) from error
        return await InlineKeys(keys).keys()


class RemoteKeys:
    """Keys that the client publishes at its `jwks_uri`, cached."""

    def __init__(self, url: str, now: Callable[[], float]) -> None:
        self.url = url
        self._now = now
        self._fresh_until = float("-inf")
        self._keys: tuple[RegisteredKey, ...] = ()

    async def keys(self) -> tuple[RegisteredKey, ...]:
        """Return keys at most `JWKS_URI_MAX_AGE` seconds old. A failure is not cached. Raises RefusedError."""
        if self._now() >= self._fresh_until:
            try:
                self._keys = parse(json.loads(await self._fetch()))
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise RefusedError(texts.JWKS_URI_UNREACHABLE) from error
            self._fresh_until = self._now() + JWKS_URI_MAX_AGE
        if not self._keys:
            raise RefusedError(texts.JWKS_URI_EMPTY)
        return _unambiguous(self._keys, texts.JWKS_URI_AMBIGUOUS)

    async def _fetch(self) -> bytes:
        timeout = aiohttp.ClientTimeout(total=5)
        context = await asyncio.to_thread(ssl.create_default_context) if URL(self.url).scheme == "https" else True
        async with (
            aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.get(self.url, allow_redirects=False, ssl=context) as answer,
        ):
            if answer.status != HTTPStatus.OK:
                msg = f"it is answered with {answer.status}"
                raise ValueError(msg)
            body = bytearray()
            async for part in answer.content.iter_chunked(1 << 16):
                body += part
                if len(body) > _TOO_BIG:
                    msg = "a JWKS of more than 1 MiB"
                    raise ValueError(msg)
            return bytes(body)


def _unambiguous(keys: tuple[RegisteredKey, ...], refusal: texts.Refusal) -> tuple[RegisteredKey, ...]:
    if len({key.kid for key in keys}) < len(keys):
        raise RefusedError(refusal)
    return keys
