"""Authenticates callers by a secret or by the user id of a Unix socket peer, and authorizes them per token.

Only digests of secrets are kept in memory.
"""

import asyncio
import hmac
from collections.abc import Collection, Mapping
from itertools import combinations
from typing import Final, NoReturn, TypeAlias

from msgspec import Struct

from broker.core.defects import contained
from broker.core.errors import ConfigError
from broker.core.events import CallerLoaded, CallerRefused, Observer
from broker.core.settings import ANONYMOUS, CallerSettings, TokenSettings
from broker.workload_api.callers import secrets
from broker.workload_api.callers.secrets import CallerFileError, digest

#: Seconds between checks of the secret files.
POLL_INTERVAL: Final = 2.0
#: Timeout in seconds for reading all files: a read from a dead mount never returns.
READ_TIMEOUT: Final = 5.0

#: The digests of a caller's secrets, or the error sentence.
ReadResult: TypeAlias = frozenset[bytes] | str


class Denied(Struct, frozen=True):
    """A denied request."""

    #: Whether authentication failed or is missing, as opposed to a lack of permission.
    authenticate: bool


class Callers:
    """The callers, their secrets and their permissions.

    `generation` increases whenever secrets change; decisions made under an older one are stale.
    """

    def __init__(
        self,
        callers: Mapping[str, CallerSettings],
        tokens: Mapping[str, TokenSettings],
        *,
        observe: Observer,
    ) -> None:
        self.generation = 0
        self._defined = bool(callers)
        self._files = {name: caller.secret_file for name, caller in callers.items() if caller.secret_file}
        self._created_on_start = frozenset(name for name, caller in callers.items() if caller.create)
        self._uids = {caller.uid: name for name, caller in callers.items() if caller.uid is not None}
        everyone = frozenset(callers) or frozenset((ANONYMOUS,))
        self._permitted = {
            name: everyone if token.callers is None else frozenset(token.callers) for name, token in tokens.items()
        }
        self._observe = observe
        self._digests: dict[str, frozenset[bytes]] = {}
        #: `_digests` as pairs of digest and caller, for comparison with each.
        self._known: tuple[tuple[bytes, str], ...] = ()
        #: The reported error of each file that cannot be used, by caller.
        self._refused: dict[str, str] = {}
        self._reading: dict[str, asyncio.Future[ReadResult]] = {}
        self._check_lock = asyncio.Lock()

    def identify(self, secret: str | None, uid: int | None) -> str | Denied:
        """The caller's name, or ANONYMOUS. An unknown secret is denied, never treated as anonymous.

        If no callers are configured, the secret is ignored.
        """
        if secret is not None and self._defined:
            return self.by_secret(secret) or Denied(authenticate=True)
        return self._uids.get(uid, ANONYMOUS) if uid is not None else ANONYMOUS

    def by_secret(self, secret: str) -> str | None:
        """The caller with this secret, or `None`. Compares with every known secret, each in constant time."""
        sent = digest(secret.encode(errors="surrogateescape"))  # aiohttp decodes header values with surrogateescape
        found = None
        for known, name in self._known:
            if hmac.compare_digest(known, sent):
                found = name
        return found

    def permits(self, token: str, caller: str) -> Denied | None:
        """`None` if `caller` may use `token`, which must be configured; otherwise why not."""
        permitted = self._permitted[token]
        if caller in permitted or ANONYMOUS in permitted:
            return None
        return Denied(authenticate=caller == ANONYMOUS)

    def names(self, caller: str) -> list[str]:
        """The names of the tokens that `caller` may use, sorted."""
        return sorted(name for name in self._permitted if self.permits(name, caller) is None)

    async def load(self) -> None:
        """Create missing secrets and read every file. Raises ConfigError with a sentence for each unusable file."""
        created, refused = set(), {}
        for name in self._created_on_start:
            try:
                if await asyncio.to_thread(secrets.create, self._files[name]):
                    created.add(name)
            except CallerFileError as error:
                refused[name] = str(error)
        refused = self._take(await self._read(), created=created) | refused
        if refused:
            raise ConfigError(f"api.callers.{name}.secret_file: {why}" for name, why in sorted(refused.items()))

    async def reload(self) -> None:
        """Read every file now and report each one that cannot be used; its previous secrets stay valid."""
        await self._check_files(repeat=True)

    async def watch(self) -> NoReturn:
        """Poll the files forever, comparing contents. Each error is reported once until it changes."""
        while True:
            await asyncio.sleep(POLL_INTERVAL)
            await self._check_files()

    async def _check_files(self, *, repeat: bool = False) -> None:
        """Read the files and report errors. `repeat`: also report errors that were reported before."""
        async with self._check_lock:
            reported, self._refused = self._refused, self._take(await self._read())
            for name, detail in self._refused.items():
                if repeat or reported.get(name) != detail:
                    self._observe(CallerRefused(caller=name, file=self._files[name], detail=detail))

    async def _read(self) -> dict[str, ReadResult]:
        """Read each file, with a timeout. A hanging read is awaited again next time, so it blocks one thread."""
        for name, file in self._files.items():
            if name not in self._reading:
                self._reading[name] = asyncio.ensure_future(asyncio.to_thread(_read_file, file))
        if self._reading:
            await asyncio.wait(self._reading.values(), timeout=READ_TIMEOUT)
        found: dict[str, ReadResult] = {}
        for name, file in self._files.items():
            found[name] = f"{file} cannot be read, by a defect of token-broker; report it"
            if self._reading[name].done():
                with contained(self._observe):  # a defect costs this file only
                    found[name] = self._reading.pop(name).result()
            else:
                found[name] = f"{file} cannot be read within {READ_TIMEOUT:g} s; is its volume still there?"
        return found

    def _take(self, found: Mapping[str, ReadResult], *, created: Collection[str] = ()) -> dict[str, str]:
        """Use the valid results and return the errors of the others, by caller.

        All files are checked together, because a secret must not belong to two callers.
        """
        refused = {name: why for name, why in found.items() if isinstance(why, str)}
        fresh = {name: digests for name, digests in found.items() if not isinstance(digests, str)}
        while duplicates := _duplicate_secrets(self._digests | fresh):
            for name, other in duplicates.items():
                if fresh.get(name, self._digests.get(name)) != self._digests.get(name):
                    del fresh[name]
                    file = self._files[name]
                    refused[name] = f"{file} holds a secret of the caller {other} too; give each its own"
        for name, digests in fresh.items():
            if digests != self._digests.get(name) or name in self._refused:
                self.generation += digests != self._digests.get(name)
                self._digests[name] = digests
                loaded = CallerLoaded(
                    caller=name, file=self._files[name], secrets=len(digests), created=name in created
                )
                self._observe(loaded)
        self._known = tuple((known, name) for name, digests in self._digests.items() for known in digests)
        return refused


def _read_file(file: str) -> ReadResult:
    try:
        return secrets.read(file)
    except CallerFileError as error:
        return str(error)


def _duplicate_secrets(digests: Mapping[str, frozenset[bytes]]) -> dict[str, str]:
    """Callers that share a secret, each mapped to another one that has it."""
    pairs = combinations(digests.items(), 2)
    shared = [(one, other) for (one, mine), (other, theirs) in pairs if mine & theirs]
    return dict(shared) | {other: one for one, other in shared}
