"""What can be checked without the network: keys, and the other files that a token request needs."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from broker.cli.check.evidence import plain, problem_of
from broker.cli.check.recording_transport import shown
from broker.cli.check.report import ANY, Name, Problem, Step
from broker.cli.check.times import day, is_epoch, length
from broker.core.errors import BrokerError, KeyFileError, SecretFileError
from broker.core.settings import ClientSettings, KeySettings, TokenSettings
from broker.core.signer import Signer
from broker.files.secret_files import read_members, read_secret
from broker.http_client.trust import TrustStore
from broker.keys.examine import is_sound
from broker.keys.private import UnusableError
from broker.keys.watch import KeyFiles, KeyState
from broker.oauth.form import form_of
from broker.oauth.key_selection import read_assertion
from broker.providers.diagnose import certificate_ends

#: Seconds for all keys of one client: a mount that has gone away makes a read wait for ever.
PATIENCE = 20.0


class Files:
    """The files of one client; `wall` is the clock that certificates and assertions run out by."""

    def __init__(self, name: str, settings: ClientSettings, *, wall: Callable[[], float]) -> None:
        self.name = name
        self.settings = settings
        self.wall = wall

    async def keys(self, ring: KeyFiles) -> list[Step]:
        """A step for each key, with the full check of its numbers, which the daemon cannot afford."""
        if self.settings.assertion_file:
            return [await self._assertion(self.settings.assertion_file)]
        try:
            async with asyncio.timeout(PATIENCE):
                await ring.load()
                states = zip(self.settings.private_keys, ring.states(), strict=True)
                return [await self._key(entry, state) for entry, state in states]
        except TimeoutError:
            why = f"the key files cannot be read within {PATIENCE:g} s; is their volume still there?"
            return [self._failed("key", self.settings.private_keys[0].file, KeyFileError(why))]

    async def _assertion(self, file: str) -> Step:
        """The step for an assertion that somebody else keeps fresh."""
        try:
            told = shown(await read_assertion(file))
        except SecretFileError as error:
            return self._failed("assertion_file", file, error)
        expires = told.get("exp")
        facts = {"file": file, **told}
        if expires is None:
            return self._ok("assertion_file", f"{file}: it does not say when it runs out", facts)
        if not is_epoch(expires):
            detail = f"{file}: its exp, {plain(expires)}, is no epoch in seconds; correct whatever makes it"
            return Step(name="assertion_file", status="warning", detail=detail, client=self.name, facts=facts)
        left = expires - self.wall()
        if left <= 0:
            why = f"{file} holds an assertion that ran out {length(-left)} ago; see why nobody renews it"
            return self._failed("assertion_file", file, SecretFileError(why))
        whose = f" of {plain(told['sub'])}" if isinstance(told.get("sub"), str) else ""
        return self._ok("assertion_file", f"{file}: an assertion{whose}, good for {length(left)}", facts)

    async def others(self, tokens: Mapping[str, TokenSettings]) -> list[Step]:
        """A step for each further file that is named."""
        http, claims = self.settings.http, self.settings.assertion.claims_file
        steps = []
        if file := http.ca_file:
            steps.append(await self._file(file, "trusted certificates", TrustStore(file, _ignore).context()))
        if file := http.proxy_password_file:
            steps.append(await self._file(file, "the proxy's password", read_secret(file)))
        if claims:
            steps.append(await self._file(claims, "further claims", read_members(claims)))
        for name, token in tokens.items():
            if file := token.parameters_file:
                reading = form_of(self.settings, token)
                steps.append(await self._file(file, "further form fields", reading, name))
        return steps

    async def _file(self, file: str, what: str, reading: Awaitable[object], token: str | None = None) -> Step:
        try:
            await reading
        except BrokerError as error:
            return self._failed("file", file, error, token)
        return Step(
            name="file", status="ok", detail=f"{file}: {what}", client=self.name, token=token, facts={"file": file}
        )

    async def _key(self, entry: KeySettings, state: KeyState) -> Step:
        if state.signer is None or state.refusal is not None:
            return self._failed("key", entry.file, KeyFileError(state.refusal or f"{entry.file} holds no key"))
        try:
            sound = await asyncio.to_thread(is_sound, entry)
        except (KeyFileError, UnusableError) as error:  # swapped since it was loaded
            return self._failed("key", entry.file, KeyFileError(f"{entry.file} {error}"))
        if not sound:
            why = "holds an RSA key whose numbers do not belong together; make or export it again"
            return self._failed("key", entry.file, KeyFileError(f"{entry.file} {why}"))
        facts = _facts(entry, state, state.signer)
        kid = f"kid {state.signer.kid}" if state.signer.kid else "no kid"
        detail = f"{entry.file}: {state.signer.algorithm}, {kid}, thumbprint {state.signer.thumbprint}"
        if state.certificate is None:
            return self._ok("key", detail, facts)
        until = day(datetime.fromtimestamp(state.certificate.not_after, UTC))
        detail += f", x5t#S256 {state.signer.x5t}, certificate until {until}"
        left = state.certificate.days_left(self.wall())
        if left is None:
            return self._ok("key", detail, facts)
        detail += f", which is in {left} days" if left >= 0 else ", which has passed"
        problem = Problem(diagnosis=certificate_ends().named(client=self.name, token=ANY))
        return Step(name="key", status="warning", detail=detail, client=self.name, facts=facts, problem=problem)

    def _ok(self, name: Name, detail: str, facts: Mapping[str, object]) -> Step:
        return Step(name=name, status="ok", detail=detail, client=self.name, facts=facts)

    def _failed(self, name: Name, file: str, error: BrokerError, token: str | None = None) -> Step:
        problem = problem_of(error, client=self.name, settings=self.settings, token=token or ANY)
        detail = f"{file} cannot be used"
        return Step(
            name=name,
            status="failed",
            detail=detail,
            client=self.name,
            token=token,
            facts={"file": file},
            problem=problem,
        )


def _facts(entry: KeySettings, state: KeyState, signer: Signer) -> dict[str, object]:
    facts: dict[str, object] = {
        "file": entry.file,
        "kid": signer.kid,
        "algorithm": signer.algorithm,
        "thumbprint": signer.thumbprint,
    }
    if state.certificate is not None:
        facts |= {"x5t#S256": signer.x5t, "certificate_expires": state.certificate.not_after}
    return facts


def _ignore(_event: object) -> None:
    """What is wrong is raised, the first time."""
