"""Who asks: told by a secret that the request carries, or by the user on the other end of a Unix socket.

Nothing here can be turned into a secret: what is remembered of one is its digest.
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

#: Seconds between two looks at the files.
POLL: Final = 2.0
#: Seconds for one look: a mount that has gone away makes it wait for ever.
PATIENCE: Final = 5.0

#: The digests of a caller's secrets, or the sentence why there are none.
Found: TypeAlias = frozenset[bytes] | str


class Denied(Struct, frozen=True):
    """A request that must not have what it asks for. `authenticate`: because nobody knows who it is."""

    authenticate: bool


class Callers:
    """Knows the callers and what each may have.

    `generation` counts the changes of secrets that took effect: what was decided under another is to be decided again.
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
        self._creates = frozenset(name for name, caller in callers.items() if caller.create)
        self._uids = {caller.uid: name for name, caller in callers.items() if caller.uid is not None}
        everyone = frozenset(callers) or frozenset((ANONYMOUS,))
        self._permitted = {
            name: everyone if token.callers is None else frozenset(token.callers) for name, token in tokens.items()
        }
        self._observe = observe
        self._digests: dict[str, frozenset[bytes]] = {}
        #: The same as pairs, for who compares with every one.
        self._known: tuple[tuple[bytes, str], ...] = ()
        #: What is wrong with a file, and was told.
        self._refused: dict[str, str] = {}
        self._reading: dict[str, asyncio.Future[Found]] = {}
        self._looking = asyncio.Lock()

    def identify(self, secret: str | None, uid: int | None) -> str | Denied:
        """The caller's name, or ANONYMOUS. A secret that nobody has is denied: whoever sends one means it.

        Without callers none can be meant.
        """
        if secret is not None and self._defined:
            return self.by_secret(secret) or Denied(authenticate=True)
        return self._uids.get(uid, ANONYMOUS) if uid is not None else ANONYMOUS

    def by_secret(self, secret: str) -> str | None:
        """The caller with this secret; every one is compared, each in constant time."""
        sent = digest(secret.encode(errors="surrogateescape"))  # as aiohttp decodes what is not UTF-8
        found = None
        for known, name in self._known:
            if hmac.compare_digest(known, sent):
                found = name
        return found

    def permits(self, token: str, caller: str) -> Denied | None:
        """Whether `caller` may have the token `token`, which exists: `None` when it may."""
        permitted = self._permitted[token]
        if caller in permitted or ANONYMOUS in permitted:
            return None
        return Denied(authenticate=caller == ANONYMOUS)

    def names(self, caller: str) -> list[str]:
        """The tokens that `caller` may have."""
        return sorted(name for name in self._permitted if self.permits(name, caller) is None)

    async def load(self) -> None:
        """Read every file, at start. Raises ConfigError with a sentence for each that cannot be used."""
        created, refused = set(), {}
        for name in self._creates:
            try:
                if await asyncio.to_thread(secrets.create, self._files[name]):
                    created.add(name)
            except CallerFileError as error:
                refused[name] = str(error)
        refused = self._take(await self._read(), created=created) | refused
        if refused:
            raise ConfigError(f"api.callers.{name}.secret_file: {why}" for name, why in sorted(refused.items()))

    async def reload(self) -> None:
        """Read every file again, now. What cannot be used is told, and the secrets before it stay valid."""
        await self._look(again=True)

    async def watch(self) -> NoReturn:
        """Follow the files for ever, by content: they are small. What is wrong with one is told once."""
        while True:
            await asyncio.sleep(POLL)
            await self._look()

    async def _look(self, *, again: bool = False) -> None:
        """`again`: tell what was told before and is still wrong."""
        async with self._looking:
            told, self._refused = self._refused, self._take(await self._read())
            for name, detail in self._refused.items():
                if again or told.get(name) != detail:
                    self._observe(CallerRefused(caller=name, file=self._files[name], detail=detail))

    async def _read(self) -> dict[str, Found]:
        """What each file holds; of one that hangs, that it does, and no second thread hangs on it."""
        for name, file in self._files.items():
            if name not in self._reading:
                self._reading[name] = asyncio.ensure_future(asyncio.to_thread(_found, file))
        if self._reading:
            await asyncio.wait(self._reading.values(), timeout=PATIENCE)
        found: dict[str, Found] = {}
        for name, file in self._files.items():
            found[name] = f"{file} cannot be read, by a defect of token-broker; report it"
            if self._reading[name].done():
                with contained(self._observe):  # the other files are read all the same
                    found[name] = self._reading.pop(name).result()
            else:
                found[name] = f"{file} cannot be read within {PATIENCE:g} s; is its volume still there?"
        return found

    def _take(self, found: Mapping[str, Found], *, created: Collection[str] = ()) -> dict[str, str]:
        """Use what can be used; the sentences about the rest. The files are judged together, as they may be changed."""
        refused = {name: why for name, why in found.items() if isinstance(why, str)}
        fresh = {name: digests for name, digests in found.items() if not isinstance(digests, str)}
        while twins := _twins(self._digests | fresh):
            for name, other in twins.items():
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


def _found(file: str) -> Found:
    try:
        return secrets.read(file)
    except CallerFileError as error:
        return str(error)


def _twins(digests: Mapping[str, frozenset[bytes]]) -> dict[str, str]:
    """Callers who have a secret in common, each with another one who has it."""
    pairs = combinations(digests.items(), 2)
    shared = [(one, other) for (one, mine), (other, theirs) in pairs if mine & theirs]
    return dict(shared) | {other: one for one, other in shared}
