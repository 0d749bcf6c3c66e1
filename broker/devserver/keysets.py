"""The public keys a client registered: given, in a file, or behind a URL."""

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

#: Okta says no figure, only that it re-reads seldom: a new key behind a URL is not known at once.
JWKS_URI_MAX_AGE = 60.0
_TOO_BIG = 1 << 20
_MIN_RSA_BITS = 2048
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_TYPES: dict[str, type[RSAKey] | type[ECKey]] = {"RSA": RSAKey, "EC": ECKey}


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredKey:
    """One public key of a client."""

    kid: str | None
    use: str | None
    algorithm: str | None
    key: RSAKey | ECKey


class KeySource(Protocol):
    """Where a client's keys come from."""

    @property
    def url(self) -> str | None:
        """The registered `jwks_uri`, if that is what it is."""

    async def keys(self) -> tuple[RegisteredKey, ...]:
        """The keys now. Raises `RefusedError` when they cannot be had."""


def parse(document: object) -> tuple[RegisteredKey, ...]:
    """Keys of a JWKS or of a single JWK (RFC 7517); types that Okta does not take are passed over (section 5).

    Raises ValueError with a sentence.
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
        # joserfc would only warn of a short RSA key, and that at import.
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
    """Raises ValueError with a sentence that names the file."""
    try:
        return parse(json.loads(path.read_bytes()))
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise ValueError(msg) from error
    except ValueError as error:
        why = "it is not JSON" if isinstance(error, json.JSONDecodeError | UnicodeDecodeError) else str(error)
        msg = f"{path} cannot be used: {why}"
        raise ValueError(msg) from error


class Given:
    """Keys handed over once."""

    url = None

    def __init__(self, keys: tuple[RegisteredKey, ...]) -> None:
        self._keys = keys

    async def keys(self) -> tuple[RegisteredKey, ...]:
        """At least one key."""
        if not self._keys:
            raise RefusedError(texts.NO_JWKS)
        return _unambiguous(self._keys, texts.BAD_JWKS)


class InFile:
    """Keys in a file that may change between two requests."""

    url = None

    def __init__(self, path: Path) -> None:
        self._path = path

    async def keys(self) -> tuple[RegisteredKey, ...]:
        """What the file says at this moment."""
        try:
            keys = read_file(self._path)
        except ValueError as error:
            raise RefusedError(texts.BAD_JWKS) from error
        return await Given(keys).keys()


class BehindUrl:
    """Keys that the client publishes (`jwks_uri`), cached as Okta caches them."""

    def __init__(self, url: str, now: Callable[[], float]) -> None:
        self.url = url
        self._now = now
        self._fresh_until = float("-inf")
        self._keys: tuple[RegisteredKey, ...] = ()

    async def keys(self) -> tuple[RegisteredKey, ...]:
        """The keys fetched within the last `JWKS_URI_MAX_AGE` seconds; a failure is not remembered."""
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
