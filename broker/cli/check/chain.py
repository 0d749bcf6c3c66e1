"""The steps of one client, in the order in which a token request meets them, with the parts that the daemon has."""

import asyncio
from collections.abc import Callable, Mapping

from yarl import URL

from broker.app.client import build_client
from broker.cli.check.connection import clock_step, connection_step
from broker.cli.check.evidence import problem_of, slash_apart
from broker.cli.check.files import Files
from broker.cli.check.granted import granted_step, scopes_step
from broker.cli.check.heard import Heard
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
    """One client and its `tokens`. `tell` is told each step as soon as it is known."""

    def __init__(
        self,
        name: str,
        settings: ClientSettings,
        tokens: Mapping[str, TokenSettings],
        *,
        now: Callable[[], float],
        wall: Callable[[], float],
        tell: Callable[[Step], None],
    ) -> None:
        self.name = name
        self.settings = settings
        self.tokens = tokens
        self.now = now
        self.wall = wall
        self.tell = tell
        self._events: list[Event] = []
        self._heard = Heard(settings.http, now=now, observe=self._events.append)
        self._parts = build_client(
            name,
            settings,
            gate=asyncio.Semaphore(1),
            now=now,
            wall=wall,
            observe=self._events.append,
            transport=self._heard,
        )
        self._origins: set[URL] = set()
        self._clock_told = False

    async def run(self, *, offline: bool) -> None:
        """Go through the steps; offline only those that send nothing. Ends by itself."""
        try:
            self._compare_audience()
            files = Files(self.name, self.settings, wall=self.wall)
            keys = await files.keys(self._parts.keys)
            for step in [*keys, *await files.others(self.tokens)]:
                self.tell(step)
            if not offline:
                usable = any(step.status != "failed" for step in keys)
                await self._ask("" if usable else "there is nothing to sign with")
        finally:
            await self._parts.transport.close()

    def _compare_audience(self) -> None:
        audience = self.settings.assertion.audience
        if meant := slash_apart(audience, (self.settings.issuer, self.settings.token_endpoint)):
            self._told(
                "configuration",
                "warning",
                f'assertion.audience is "{audience}", which is {meant} but for the slash at the end, and it counts',
            )

    async def _ask(self, why_not: str) -> None:
        """Ask for every token, unless `why_not` says or it becomes clear that this is of no use."""
        endpoint, lost = await self._endpoint()
        for name, settings in self.tokens.items():
            if why_not or lost:
                self._told("token", "skipped", f"{name}: not asked for, since {why_not or lost}", name)
            else:
                lost = await self._token(endpoint, name, settings)

    async def _endpoint(self) -> tuple[str, str]:
        """The token endpoint, as it is written or as the metadata say; and why it is not known, if it is not."""
        if written := self.settings.token_endpoint:
            self._told("metadata", "ok", f"not needed: token endpoint {written}", endpoint=written)
            return written, ""
        issuer = self.settings.issuer or ""
        try:
            endpoint = await self._parts.discovery.token_endpoint()
        except BrokerError as error:
            if not await self._reached(issuer, error):
                self._told("metadata", "skipped", f"not asked for, since {NO_CONNECTION}")
                return "", NO_CONNECTION
            self._failed("metadata", "cannot be used", error)
            self._clock()
            return "", "it is not known where"
        await self._reached(issuer, None)
        self._told("metadata", "ok", f"token endpoint {endpoint}", endpoint=endpoint)
        self._clock()
        return endpoint, ""

    async def _token(self, endpoint: str, name: str, settings: TokenSettings) -> str:
        """Ask for one token. Why asking for the next is of no use, if so."""
        since, told = len(self._heard.exchanges), len(self._events)
        try:
            token = await self._fetch(endpoint, settings)
        except BrokerError as error:
            if await self._reached(endpoint, error):
                self._clock()
                self._failed("token", f"{name}: {_what(error)}", error, since=since, token=name)
            else:
                self._told("token", "skipped", f"{name}: not granted, since {NO_CONNECTION}", name)
            if isinstance(error, NetworkError):
                return NO_CONNECTION
            return "the server asks to be left alone" if diagnose(error).act is Act.LIMIT else ""
        await self._reached(endpoint, None)
        self._clock()
        fallen = next((event for event in self._events[told:] if isinstance(event, KeyFellBack)), None)
        self.tell(granted_step(name, settings, token, fallen))
        self.tell(scopes_step(name, settings, token, provider=self.settings.provider))
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
        """Tell the connection to `url`, the first time; whether there was one, `error` notwithstanding."""
        lost = error if isinstance(error, NetworkError) else None
        first = URL(url).origin() not in self._origins
        if first and (self._heard.exchanges or lost):
            self._origins.add(URL(url).origin())
            answered = any(URL(exchange.url).origin() == URL(url).origin() for exchange in self._heard.exchanges)
            lost = None if answered else lost
            self.tell(await connection_step(self.name, self.settings, url, lost))
            return lost is None
        return True

    def _clock(self) -> None:
        """Tell the server's clock, once, by the last answer that there was."""
        if self._clock_told or not self._heard.exchanges:
            return
        self._clock_told = True
        measured = [exchange.ahead for exchange in self._heard.exchanges if exchange.ahead is not None]
        offset = measured[-1] + self.now() - self.wall() if measured else None
        self.tell(clock_step(self.name, self.settings, offset))

    def _failed(self, step: Name, detail: str, error: BrokerError, *, since: int = 0, token: str | None = None) -> None:
        problem = problem_of(
            error,
            client=self.name,
            settings=self.settings,
            token=token or ANY,
            exchanges=self._heard.exchanges[since:],
            keys=self._parts.keys.public_jwks()["keys"],
        )
        self.tell(Step(name=step, status="failed", detail=detail, client=self.name, token=token, problem=problem))

    def _told(
        self, step: Name, status: Status, detail: str, token: str | None = None, endpoint: str | None = None
    ) -> None:
        facts = {"token_endpoint": endpoint} if endpoint else {}
        self.tell(Step(name=step, status=status, detail=detail, client=self.name, token=token, facts=facts))


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
