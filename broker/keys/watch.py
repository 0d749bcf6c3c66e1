"""The keys of one client, kept in step with their files."""

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn, TypeVar

from msgspec import Struct

from broker.core.errors import KeyFileError
from broker.core.events import CertificateExpiring, KeyLoaded, KeyRefused, KeyRetired, Observer
from broker.core.settings import KeySettings
from broker.core.signer import Signer
from broker.keys.certificate import Certificate
from broker.keys.daemon_threads import DaemonThreadExecutor
from broker.keys.files import Stamp, paths, stamp
from broker.keys.loading import Found, Loader
from broker.keys.local import LocalSigner
from broker.keys.rotation import KeyRotation, is_same_key

#: Seconds between two polls of the files' stamps.
POLL = 2.0
#: Every n-th poll reads the contents even if the stamps are unchanged: writers can restore timestamps, and some file
#: systems store them coarsely.
READ_EVERY = 30
#: Seconds until a stamp or a read that hangs, as on a lost mount, is reported.
READ_TIMEOUT = 5.0
LOST = "is the volume still there?"

R = TypeVar("R")


class Entry:
    """State of one entry of `private_keys`: keys in use, last refusal, and the stamp of the last read."""

    def __init__(self, settings: KeySettings) -> None:
        self.settings = settings
        self.stamp: Stamp | None = None
        self.rotation: KeyRotation[LocalSigner] = KeyRotation()
        self.digest: bytes | None = None
        self.refusal: str | None = None
        self.refused: bytes | None = None
        #: A read that is in flight or whose result has not been applied. No second read starts before that.
        self.reading: asyncio.Future[Found] | None = None
        #: The days left on the certificate at the last check; `None` if that was too early for a warning.
        self.days_left: int | None = None

    @property
    def signer(self) -> LocalSigner | None:
        """The key last read from the files."""
        return self.rotation.current

    @property
    def certificate(self) -> Certificate | None:
        """The certificate of `signer`."""
        return self.signer.certificate if self.signer else None


class KeyState(Struct, frozen=True, kw_only=True):
    """Status of one entry."""

    file: str
    signer: Signer | None
    """The key in use, if any."""
    refusal: str | None
    """Why the file's present content is refused, if it is."""
    certificate: Certificate | None = None


class KeyFiles:
    """`signer.KeyRing` of one client: the usable keys of each entry, in order of preference.

    `algorithms` lists the algorithms that `provider` accepts, in order of preference; empty means any. `client_id` must
    equal the client that a key file names, if it names one. `wall` is the clock for certificate expiry, epoch seconds.
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
        self._executor = DaemonThreadExecutor()

    def signers(self) -> Sequence[Signer]:
        """Return the usable keys, without duplicates, at least one. Raises KeyFileError if there is none."""
        signers = list(self._signers())
        if not signers:
            reasons = "; ".join(entry.refusal for entry in self._entries if entry.refusal)
            raise KeyFileError(reasons or f"the key files of the client {self.client} have not been read yet")
        return signers

    def _signers(self) -> Iterator[Signer]:
        seen: list[Signer] = []
        for entry in self._entries:
            for signer in entry.rotation.signers:
                if not any(is_same_key(signer, one) for one in seen):
                    seen.append(signer)
                    yield signer

    def accepted(self, signer: Signer) -> None:
        """Record that the server accepted `signer`; retire the key it replaced."""
        for entry in self._entries:
            self._set_rotation(entry, entry.rotation.accepted(signer))

    def public_jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public halves of `signers` as a JWKS (RFC 7517 section 5).

        During a rotation a configured `kid` names both the old and the new key. Since the `kid`s of a set must differ,
        only the new key is included.
        """
        found: list[dict[str, str]] = []
        for signer in self._signers():
            if signer.kid is None or signer.kid not in {jwk.get("kid") for jwk in found}:
                found.append(dict(signer.public_jwk))
        return {"keys": found}

    def states(self) -> tuple[KeyState, ...]:
        """The status of every entry, in order of preference."""
        return tuple(
            KeyState(
                file=entry.settings.file, signer=entry.signer, refusal=entry.refusal, certificate=entry.certificate
            )
            for entry in self._entries
        )

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever the current key of an entry changes."""
        self._callbacks.append(callback)

    async def load(self) -> None:
        """Read every file now. Each call emits `KeyRefused` for files that cannot be used, even if unchanged."""
        async with self._reading:
            await self._read(self._entries, force=True)

    async def watch(self) -> NoReturn:
        """Poll the files for ever. Emit events for errors; never raise."""
        turn = 0
        while True:
            await asyncio.sleep(POLL)
            turn += 1
            async with self._reading:
                await self._read(await self._due(whole=turn % READ_EVERY == 0), force=False)

    async def _due(self, *, whole: bool) -> list[Entry]:
        """Return the entries to read: all without a read in flight (`whole`), else those whose stamp changed.

        One thread stamps all entries in order. If it hangs, the first entry without a stamp is the cause: it is
        returned too, so that its own read times out and is reported. The next poll stamps the rest without it.
        """
        ended = [entry for entry in self._entries if entry.reading and entry.reading.done()]
        idle = [entry for entry in self._entries if entry.reading is None]
        if whole or not idle:
            return ended + idle
        stamps: list[Stamp] = []
        await asyncio.wait([self._start(_stamp_all, [entry.settings for entry in idle], stamps)], timeout=READ_TIMEOUT)
        seen = list(stamps)
        looks = zip(idle, seen, strict=False)
        return ended + [entry for entry, found in looks if found != entry.stamp] + idle[len(seen) : len(seen) + 1]

    async def _read(self, entries: Sequence[Entry], *, force: bool) -> None:
        """Read `entries` and apply the results. `force`: retry and report content that was refused before, too."""
        before = [entry.signer for entry in self._entries]
        readings = [(entry, self._start_read(entry, force=force)) for entry in entries]
        if readings:
            await asyncio.wait([reading for _, reading in readings], timeout=READ_TIMEOUT)
        for entry, reading in readings:
            if reading.done():
                entry.reading = None
                found = reading.result()
            else:
                files = " or ".join(paths(entry.settings))
                found = Found(stamp=(), refusal=f"{files} does not answer within {READ_TIMEOUT:g} s; {LOST}")
            self._apply(entry, found, force=force)
            self._check_certificate(entry, force=force)
        if [entry.signer for entry in self._entries] != before:
            for callback in self._callbacks:
                callback()

    def _start_read(self, entry: Entry, *, force: bool) -> asyncio.Future[Found]:
        """Return the read of `entry` that is in flight, or start one."""
        if entry.reading is None:
            known = {entry.digest: entry.signer} | ({} if force else {entry.refused: None})
            entry.reading = self._start(self._loader.find, entry.settings, known)
        return entry.reading

    def _start(self, work: Callable[..., R], *args: object) -> asyncio.Future[R]:
        return asyncio.get_running_loop().run_in_executor(self._executor, work, *args)

    def _apply(self, entry: Entry, found: Found, *, force: bool) -> None:
        entry.stamp = found.stamp
        if found.refusal is not None:
            if force or (found.digest, found.refusal) != (entry.refused, entry.refusal):
                entry.refused, entry.refusal = found.digest, found.refusal
                file, kept = entry.settings.file, entry.signer is not None
                self.observe(KeyRefused(client=self.client, file=file, detail=found.refusal, kept=kept))
            return
        if (signer := found.signer) is None or (signer is entry.signer and entry.refusal is None):
            return  # known to be refused, or already in use and not refused since
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
        self._set_rotation(entry, entry.rotation.replace(signer))

    def _set_rotation(self, entry: Entry, rotation: KeyRotation[LocalSigner]) -> None:
        """Use the keys of `rotation`; emit `KeyRetired` for keys that are not in it any more."""
        before, entry.rotation = entry.rotation.signers, rotation
        for signer in before:
            if signer not in rotation.signers:
                file, kid, algorithm = entry.settings.file, signer.kid, signer.algorithm
                self.observe(KeyRetired(client=self.client, file=file, kid=kid, algorithm=algorithm))

    def _check_certificate(self, entry: Entry, *, force: bool) -> None:
        """Emit `CertificateExpiring` once a day while expiry is near or past; `force` emits it in any case."""
        days = entry.certificate.days_left(self._wall()) if entry.certificate else None
        if days is not None and entry.certificate and (force or days != entry.days_left):
            self.observe(
                CertificateExpiring(
                    client=self.client,
                    file=entry.settings.certificate_file or "",
                    not_after=entry.certificate.not_after,
                    days_left=days,
                )
            )
        entry.days_left = days


def _stamp_all(entries: Sequence[KeySettings], stamps: list[Stamp]) -> None:
    """Append the stamp of each entry to `stamps`."""
    for entry in entries:
        stamps.append(stamp(entry))  # noqa: PERF401 - a caller that times out reads the partial list
