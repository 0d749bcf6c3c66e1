"""The keys of one client, kept as their files say, by content."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn

from broker.errors import KeyFileError
from broker.events import KeyLoaded, KeyRefused, Observer
from broker.keys.algorithms import choose
from broker.keys.files import Content, Stamp, read, stamp
from broker.keys.local import LocalSigner, seal
from broker.keys.parse import parse
from broker.keys.private import UnusableError
from broker.settings import KeySettings
from broker.signer import Signer

#: Seconds between two looks at the files' stamps.
POLL = 2.0
#: Looks until the content is read again although the stamps are the same: writers can restore times, file systems
#: can be coarse about them.
READ_EVERY = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a reading came to: a signer, or the sentence why not; neither when `digest` was refused before."""

    stamp: Stamp
    digest: bytes | None = None
    signer: LocalSigner | None = None
    refusal: str | None = None


class Entry:
    """One entry of `private_keys`: what is in use, what was refused last, how the files looked then."""

    def __init__(self, settings: KeySettings) -> None:
        self.settings = settings
        self.stamp: Stamp | None = None
        self.signer: LocalSigner | None = None
        self.digest: bytes | None = None
        self.refusal: str | None = None
        self.refused: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyState:
    """How one entry stands: the key in use, and why its file was refused since then, each where there is one."""

    file: str
    signer: Signer | None
    refusal: str | None


class KeyFiles:
    """`signer.KeyRing` of one client: one signer for each entry that can be used, in order of preference.

    `algorithms` is what `provider` takes, in order of preference; empty: anything.
    """

    def __init__(
        self,
        client: str,
        keys: Sequence[KeySettings],
        *,
        provider: str,
        algorithms: Sequence[str],
        observe: Observer,
    ) -> None:
        self.client = client
        self.provider = provider
        self.algorithms = tuple(algorithms)
        self.observe = observe
        self._entries = [Entry(settings) for settings in keys]
        self._callbacks: list[Callable[[], None]] = []
        self._reading = asyncio.Lock()

    def signers(self) -> Sequence[Signer]:
        """The keys to use now, at least one. Raises KeyFileError while there is none."""
        signers = [entry.signer for entry in self._entries if entry.signer is not None]
        if not signers:
            reasons = "; ".join(entry.refusal for entry in self._entries if entry.refusal)
            raise KeyFileError(reasons or f"the key files of the client {self.client} have not been read yet")
        return signers

    def public_jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public halves as a JWKS (RFC 7517 section 5)."""
        return {"keys": [dict(entry.signer.public_jwk) for entry in self._entries if entry.signer is not None]}

    def states(self) -> tuple[KeyState, ...]:
        """Every entry, in order of preference."""
        return tuple(
            KeyState(file=entry.settings.file, signer=entry.signer, refusal=entry.refusal) for entry in self._entries
        )

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Have `callback` called whenever what `signers` gives has changed."""
        self._callbacks.append(callback)

    async def load(self) -> None:
        """Read every file now, at start and when asked. What cannot be used is told, and told again by another call."""
        async with self._reading:
            await self._read(self._entries, again=True)

    async def watch(self) -> NoReturn:
        """Follow the files for ever. Trouble with them is told, never raised."""
        turn = 0
        while True:
            await asyncio.sleep(POLL)
            turn += 1
            async with self._reading:
                # Five microseconds a file: not worth a thread, which a read is.
                due = [
                    entry for entry in self._entries if turn % READ_EVERY == 0 or stamp(entry.settings) != entry.stamp
                ]
                await self._read(due, again=False)

    async def _read(self, entries: Sequence[Entry], *, again: bool) -> None:
        """`again`: try, and tell, what was refused before although it has not changed."""
        before = [entry.signer for entry in self._entries]
        for entry in entries:
            known = {entry.digest: entry.signer} | ({} if again else {entry.refused: None})
            found = await asyncio.to_thread(self._find, entry.settings, known)
            self._apply(entry, found, again=again)
        if [entry.signer for entry in self._entries] != before:
            for callback in self._callbacks:
                callback()

    def _find(self, settings: KeySettings, known: Mapping[bytes | None, LocalSigner | None]) -> Found:
        """Read, parse and try one entry, off the loop.

        Deriving an encrypted key's key holds the GIL, though, some 100 ms for a million rounds: once a content.
        """
        looks = stamp(settings)
        digest = None
        try:
            content = read(settings)
            digest = content.digest
            signer = known[digest] if digest in known else self._signer(settings, content)
        except KeyFileError as error:
            return Found(stamp=looks, digest=digest, refusal=str(error))
        except UnusableError as error:
            return Found(stamp=looks, digest=digest, refusal=f"{settings.file} {error}")
        return Found(stamp=looks, digest=digest, signer=signer)

    def _signer(self, settings: KeySettings, content: Content) -> LocalSigner:
        key = parse(content.key, kid=content.kid, passphrase=content.passphrase)
        if None not in (key.kid, content.kid) and key.kid != content.kid:
            source = "configured kid" if settings.kid_file is None else f"key id in {settings.kid_file}"
            raise UnusableError(f"says its kid is {key.kid!r}, which is not the {source}; correct one or drop it")
        algorithm = choose(key, configured=settings.algorithm, allowed=self.algorithms, provider=self.provider)
        return seal(key, algorithm=algorithm, kid=content.kid or key.kid)

    def _apply(self, entry: Entry, found: Found, *, again: bool) -> None:
        entry.stamp = found.stamp
        if found.refusal is not None:
            if again or (found.digest, found.refusal) != (entry.refused, entry.refusal):
                entry.refused, entry.refusal = found.digest, found.refusal
                file, kept = entry.settings.file, entry.signer is not None
                self.observe(KeyRefused(client=self.client, file=file, detail=found.refusal, kept=kept))
            return
        if (signer := found.signer) is None or (signer is entry.signer and entry.refusal is None):
            return  # refused before, or in use already, and nothing was wrong with it since
        entry.signer, entry.digest = signer, found.digest
        entry.refused = entry.refusal = None
        self.observe(
            KeyLoaded(
                client=self.client,
                file=entry.settings.file,
                kid=signer.kid,
                algorithm=signer.algorithm,
                thumbprint=signer.thumbprint,
            )
        )
