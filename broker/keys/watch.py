"""The keys of one client, kept as their files say, by content."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, TypeVar

from msgspec import Struct

from broker.core.errors import KeyFileError
from broker.core.events import CertificateExpiring, KeyLoaded, KeyRefused, KeyRetired, Observer
from broker.core.settings import KeySettings
from broker.core.signer import Signer
from broker.keys.aside import Aside
from broker.keys.certificate import Certificate
from broker.keys.fallback import Slot, is_same
from broker.keys.files import Stamp, paths, stamp
from broker.keys.loading import Found, Loader
from broker.keys.local import LocalSigner

#: Seconds between two looks at the files' stamps.
POLL = 2.0
#: Looks until the content is read again although the stamps are the same: writers can restore times, file systems
#: can be coarse about them.
READ_EVERY = 30
#: A mount that has gone away makes a look or a read wait for ever; after this many seconds that is told.
PATIENCE = 5.0
LOST = "is the volume still there?"

R = TypeVar("R")


class Entry:
    """One entry of `private_keys`: what is in use, what was refused last, how the files looked then."""

    def __init__(self, settings: KeySettings) -> None:
        self.settings = settings
        self.stamp: Stamp | None = None
        self.slot: Slot[LocalSigner] = Slot()
        self.digest: bytes | None = None
        self.refusal: str | None = None
        self.refused: bytes | None = None
        #: A reading that has not come to an end, or whose end was not looked at. While there is one, no other is begun.
        self.reading: asyncio.Future[Found] | None = None
        #: How many days its certificate had left when that was told last.
        self.told: int | None = None

    @property
    def signer(self) -> LocalSigner | None:
        """The key that the files hold, or held last."""
        return self.slot.current

    @property
    def certificate(self) -> Certificate | None:
        """That of the key in use."""
        return self.signer.certificate if self.signer else None


class KeyState(Struct, frozen=True, kw_only=True):
    """How one entry stands: the key in use, and why its file was refused since then, each where there is one."""

    file: str
    signer: Signer | None
    refusal: str | None
    certificate: Certificate | None = None


class KeyFiles:
    """`signer.KeyRing` of one client: the keys of each entry that can be used, in order of preference.

    `algorithms` is what `provider` takes, in order of preference; empty: anything. `client_id` has to be that of the
    files that name one. `wall` is what certificates expire by.
    """

    def __init__(
        self,
        client: str,
        keys: Sequence[KeySettings],
        *,
        provider: str,
        algorithms: Sequence[str],
        observe: Observer,
        client_id: str | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.client = client
        self.observe = observe
        self._wall = wall
        self._loader = Loader(provider=provider, algorithms=tuple(algorithms), client_id=client_id)
        self._entries = [Entry(settings) for settings in keys]
        self._callbacks: list[Callable[[], None]] = []
        self._reading = asyncio.Lock()
        self._aside = Aside()

    def signers(self) -> Sequence[Signer]:
        """The keys to use now, at least one, each once. Raises KeyFileError while there is none."""
        signers = list(self._signers())
        if not signers:
            reasons = "; ".join(entry.refusal for entry in self._entries if entry.refusal)
            raise KeyFileError(reasons or f"the key files of the client {self.client} have not been read yet")
        return signers

    def _signers(self) -> Iterator[Signer]:
        seen: list[Signer] = []
        for entry in self._entries:
            for signer in entry.slot.signers:
                if not any(is_same(signer, one) for one in seen):
                    seen.append(signer)
                    yield signer

    def accepted(self, signer: Signer) -> None:
        """The server granted what was signed with `signer`: whatever that one has replaced is no longer needed."""
        for entry in self._entries:
            self._change(entry, entry.slot.accepted(signer))

    def public_jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public halves of `signers` as a JWKS (RFC 7517 section 5).

        Two keys of one `kid`, which is the old one's too when it stands in the configuration, make no set: the new one
        is in it then.
        """
        found: list[dict[str, str]] = []
        for signer in self._signers():
            if signer.kid is None or signer.kid not in {jwk.get("kid") for jwk in found}:
                found.append(dict(signer.public_jwk))
        return {"keys": found}

    def states(self) -> tuple[KeyState, ...]:
        """Every entry, in order of preference."""
        return tuple(
            KeyState(
                file=entry.settings.file, signer=entry.signer, refusal=entry.refusal, certificate=entry.certificate
            )
            for entry in self._entries
        )

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Have `callback` called whenever a file has brought another key."""
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
                await self._read(await self._due(whole=turn % READ_EVERY == 0), again=False)

    async def _due(self, *, whole: bool) -> list[Entry]:
        """The entries to be read: all that can be (`whole`), or those that look as they did not at their last reading.

        One thread looks at them all. If it hangs, it is at the first one without a stamp: a reading of its own is to
        find that out, and those behind it are looked at the next time, without it.
        """
        ended = [entry for entry in self._entries if entry.reading and entry.reading.done()]
        idle = [entry for entry in self._entries if entry.reading is None]
        if whole or not idle:
            return ended + idle
        stamps: list[Stamp] = []
        await asyncio.wait([self._start(_look, [entry.settings for entry in idle], stamps)], timeout=PATIENCE)
        seen = list(stamps)
        looks = zip(idle, seen, strict=False)
        return ended + [entry for entry, found in looks if found != entry.stamp] + idle[len(seen) : len(seen) + 1]

    async def _read(self, entries: Sequence[Entry], *, again: bool) -> None:
        """`again`: try, and tell, what was refused before although it has not changed."""
        before = [entry.signer for entry in self._entries]
        readings = [(entry, self._begun(entry, again=again)) for entry in entries]
        if readings:
            await asyncio.wait([reading for _, reading in readings], timeout=PATIENCE)
        for entry, reading in readings:
            if reading.done():
                entry.reading = None
                found = reading.result()
            else:
                files = " or ".join(paths(entry.settings))
                found = Found(stamp=(), refusal=f"{files} does not answer within {PATIENCE:g} s; {LOST}")
            self._apply(entry, found, again=again)
            self._look_at_certificate(entry, again=again)
        if [entry.signer for entry in self._entries] != before:
            for callback in self._callbacks:
                callback()

    def _begun(self, entry: Entry, *, again: bool) -> asyncio.Future[Found]:
        """The reading of `entry`, a new one if none is under way."""
        if entry.reading is None:
            known = {entry.digest: entry.signer} | ({} if again else {entry.refused: None})
            entry.reading = self._start(self._loader.find, entry.settings, known)
        return entry.reading

    def _start(self, work: Callable[..., R], *args: object) -> asyncio.Future[R]:
        return asyncio.get_running_loop().run_in_executor(self._aside, work, *args)

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
        entry.digest, entry.refused, entry.refusal = found.digest, None, None
        self.observe(
            KeyLoaded(
                client=self.client,
                file=entry.settings.file,
                kid=signer.kid,
                algorithm=signer.algorithm,
                thumbprint=signer.thumbprint,
                x5t=signer.x5t,
                not_after=signer.certificate.not_after if signer.certificate else None,
            )
        )
        self._change(entry, entry.slot.swapped(signer))

    def _change(self, entry: Entry, slot: Slot[LocalSigner]) -> None:
        """Have `entry` use the keys of `slot`; those that it used before and are not among them are told."""
        before, entry.slot = entry.slot.signers, slot
        for signer in before:
            if signer not in slot.signers:
                file, kid, algorithm = entry.settings.file, signer.kid, signer.algorithm
                self.observe(KeyRetired(client=self.client, file=file, kid=kid, algorithm=algorithm))

    def _look_at_certificate(self, entry: Entry, *, again: bool) -> None:
        """Tell that it expires, or has expired, once a day, and when asked."""
        days = entry.certificate.days_left(self._wall()) if entry.certificate else None
        if days is not None and entry.certificate and (again or days != entry.told):
            self.observe(
                CertificateExpiring(
                    client=self.client,
                    file=entry.settings.certificate_file or "",
                    not_after=entry.certificate.not_after,
                    days_left=days,
                )
            )
        entry.told = days


def _look(entries: Sequence[KeySettings], stamps: list[Stamp]) -> None:
    """Add the stamp of each to `stamps` as soon as it is known."""
    for entry in entries:
        stamps.append(stamp(entry))  # noqa: PERF401 - who gives up waiting sees how far this has come
