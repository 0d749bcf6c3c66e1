"""The check steps of one client, in the order of a token request, with the same parts as the daemon."""

import asyncio
from collections.abc import Callable, Mapping

from yarl import URL

from broker.app.client import build_client
from broker.cli.check.connection import clock_step, connection_step
from broker.cli.check.evidence import problem_of, slash_apart
from broker.cli.check.files import Files
from broker.cli.check.granted import granted_step, scopes_step
from broker.cli.check.recording_transport import RecordingTransport
from broker.cli.check.report import ANY, Name, Status, Step
from broker.cli.check.times import length
from broker.core.diagnosis import Act
from broker.core.errors import BrokerError, NetworkError, RefusalError, ReplyError
from broker.core.events import Event, KeyFellBack
from broker.core.settings import ClientSettings, TokenSettings
from broker.core.tokens import Token
from broker.providers.diagnose import diagnose

#: A token request may take several requests (a nonce, a corrected clock, the next key): this many timeouts in all.
TIMEOUTS = 3
NO_CONNECTION = "there is no connection"


class Chain:
    """Check one client and its `tokens`, and pass each step to `emit` as soon as it is complete."""

    def __init__(
        self,
        name: str,
        settings: ClientSettings,
        tokens: Mapping[str, TokenSettings],
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
        emit: Callable[[Step], None],
    ) -> None:
        self.name = name
        self.settings = settings
        self.tokens = tokens
        self.now = now
        self.wall = wall
        self.emit = emit
        self._events: list[Event] = []
        self._transport = RecordingTransport(settings.http, now=now, observe=self._events.append)
        self._parts = build_client(
            name,
            settings,
            gate=asyncio.Semaphore(1),
            now=now,
            wall=wall,
            observe=self._events.append,
            transport=self._transport,
        )
        self._origins: set[URL] = set()
        self._clock_reported = False

    async def run(self, *, offline: bool) -> None:
        """Run all steps, or without a network only those that send nothing. The duration is bounded."""
        try:
            self._compare_audience()
            files = Files(self.name, self.settings, wall=self.wall)
            keys = await files.keys(self._parts.keys)
            for step in [*keys, *await files.others(self.tokens)]:
                self.emit(step)
            if not offline:
                usable = any(step.status != "failed" for step in keys)
                await self._ask("" if usable else "there is nothing to sign with")
        finally:
            await self._parts.transport.close()

    def _compare_audience(self) -> None:
        audience = self.settings.assertion.audience
        if meant := slash_apart(audience, (self.settings.issuer, self.settings.token_endpoint)):
            self._emit_step(
                "configuration",
                "warning",
                f'assertion.audience is "{audience}", which is {meant} but for the slash at the end, and it counts',
            )

    async def _ask(self, why_not: str) -> None:
        """Ask for every token, unless `why_not` says or it becomes clear that this is of no use."""
        endpoint, lost = await self._endpoint()
        for name, settings in self.tokens.items():
            if why_not or lost:
                self._emit_step("token", "skipped", f"{name}: not asked for, since {why_not or lost}", name)
            else:
                lost = await self._token(endpoint, name, settings)

    async def _endpoint(self) -> tuple[str, str]:
        """The token endpoint, as it is written or as the metadata say; and why it is not known, if it is not."""
        if written := self.settings.token_endpoint:
            self._emit_step("metadata", "ok", f"not needed: token endpoint {written}", endpoint=written)
            return written, ""
        issuer = self.settings.issuer or ""
        try:
            endpoint = await self._parts.discovery.token_endpoint()
        except BrokerError as error:
            if not await self._reached(issuer, error):
                self._emit_step("metadata", "skipped", f"not asked for, since {NO_CONNECTION}")
                return "", NO_CONNECTION
            self._failed("metadata", "cannot be used", error)
            self._clock()
            return "", "it is not known where"
        await self._reached(issuer, None)
        self._emit_step("metadata", "ok", f"token endpoint {endpoint}", endpoint=endpoint)
        self._clock()
        return endpoint, ""

    async def _token(self, endpoint: str, name: str, settings: TokenSettings) -> str:
        """Request one token. Return why further requests would be pointless, or an empty string."""
        since, told = len(self._transport.exchanges), len(self._events)
        try:
            token = await self._fetch(endpoint, settings)
        except BrokerError as error:
            if await self._reached(endpoint, error):
                self._clock()
                self._failed("token", f"{name}: {_what(error)}", error, since=since, token=name)
            else:
                self._emit_step("token", "skipped", f"{name}: not granted, since {NO_CONNECTION}", name)
            if isinstance(error, NetworkError):
                return NO_CONNECTION
            return "the server asks to be left alone" if diagnose(error).act is Act.LIMIT else ""
        await self._reached(endpoint, None)
        self._clock()
        fallen = next((event for event in self._events[told:] if isinstance(event, KeyFellBack)), None)
        self.emit(granted_step(name, settings, token, fallen))
        self.emit(scopes_step(name, settings, token, provider=self.settings.provider))
        return ""

    async def _fetch(self, endpoint: str, settings: TokenSettings) -> Token:
        longest = TIMEOUTS * self.settings.http.timeout
        try:
            async with asyncio.timeout(longest):
                return await self._parts.grant.fetch(settings)
        except TimeoutError:
            where = URL(endpoint)
            why = f"no token within {length(longest)}, in several requests"
            raise NetworkError("timeout", f"{where.host}:{where.port}", why) from None

    async def _reached(self, url: str, error: BrokerError | None) -> bool:
        """Emit the connection step for `url` once. Return whether a connection existed, despite `error`."""
        lost = error if isinstance(error, NetworkError) else None
        first = URL(url).origin() not in self._origins
        if first and (self._transport.exchanges or lost):
            self._origins.add(URL(url).origin())
            answered = any(URL(exchange.url).origin() == URL(url).origin() for exchange in self._transport.exchanges)
            lost = None if answered else lost
            self.emit(await connection_step(self.name, self.settings, url, lost))
            return lost is None
        return True

    def _clock(self) -> None:
        """Emit the clock step once, measured by the latest response."""
        if self._clock_reported or not self._transport.exchanges:
            return
        self._clock_reported = True
        measured = [exchange.ahead for exchange in self._transport.exchanges if exchange.ahead is not None]
        offset = measured[-1] + self.now() - self.wall() if measured else None
        self.emit(clock_step(self.name, self.settings, offset))

    def _failed(self, step: Name, detail: str, error: BrokerError, *, since: int = 0, token: str | None = None) -> None:
        problem = problem_of(
            error,
            client=self.name,
            settings=self.settings,
            token=token or ANY,
            exchanges=self._transport.exchanges[since:],
            keys=self._parts.keys.public_jwks()["keys"],
        )
        self.emit(Step(name=step, status="failed", detail=detail, client=self.name, token=token, problem=problem))

    def _emit_step(
        self, step: Name, status: Status, detail: str, token: str | None = None, endpoint: str | None = None
    ) -> None:
        facts = {"token_endpoint": endpoint} if endpoint else {}
        self.emit(Step(name=step, status=status, detail=detail, client=self.name, token=token, facts=facts))


def _what(error: BrokerError) -> str:
    match error:
        case RefusalError():
            return f"refused with {error.status}"
        case NetworkError():
            return f"no answer from {error.where}"
        case ReplyError():
            return "the answer cannot be used"
        case _:
            return "not asked for"
