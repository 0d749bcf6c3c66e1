"""Everything that runs: the embedded server, the broker, the workload; and the one queue in which they meet."""

import asyncio
import json
import os
import secrets
import signal
import sys
import time
from contextlib import AsyncExitStack

import click
from msgspec.structs import replace

from broker.app.clock import boot_clock
from broker.app.compose import Broker, running
from broker.cli.demo import story
from broker.cli.demo.calls import calling
from broker.cli.demo.narrator import Narrator, Told
from broker.cli.demo.plain import Plain, View
from broker.cli.demo.story import Mood, Paragraph
from broker.cli.demo.tally import Call, Tally
from broker.cli.embedded import embedded
from broker.core.errors import ConfigError, place_of
from broker.core.events import Event
from broker.core.settings import Admin, Api, Assertion, ClientSettings, Http, Settings, TokenSettings
from broker.devserver import DevServer, Fault
from broker.http_client.transport import Transport

#: Of a token, in seconds. Two failures in a row take at most 6 s (`schedule.after_fault`), and 6.4 s remain for them.
LIFETIME = 16.0
#: The server is broken for the refresh that follows this token, and this many seconds before, so that people see why.
LAST_BEFORE_OUTAGE, NOTICE = 2, 1.5
OUTAGE = Fault(status=503, times=2)
REDRAW = 0.2
API, ADMIN, FREE = "localhost:7180", "localhost:7181", "localhost:0"
CLIENT_ID, SCOPE = "0oademo", "okta.users.read"


class Curtain(Exception):  # noqa: N818 - the end of a performance is no error
    """It is over: a signal, the time is up, or, with a `reason`, something ended that should not have."""

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        super().__init__(reason)


def main(seconds: float, *, plain: bool) -> int:
    """The exit code. Raises ConfigError, ClickException, and BrokenPipeError when nobody reads on."""
    view = _view(plain=plain)
    try:
        return asyncio.run(Stage(view, seconds).perform())
    except (ConfigError, BrokenPipeError):
        raise
    except OSError as error:
        msg = f"the demo cannot go on: {error.strerror or type(error).__name__}."
        raise click.ClickException(msg) from None
    except Exception as error:  # noqa: BLE001 - a defect of ours: a sentence, not a traceback
        msg = f"the demo ended by a defect, {type(error).__name__} at {place_of(error)};"
        raise click.ClickException(f"{msg} please report this line.") from None


def _view(*, plain: bool) -> View:
    if plain or not sys.stdout.isatty() or os.environ.get("TERM") in (None, "", "dumb"):
        return Plain()
    from broker.cli.demo.live import LiveView  # noqa: PLC0415 - rich is for terminals

    return LiveView()


class Stage:
    """One performance, `seconds` long (0: until it is stopped).

    What happens is put into the inbox, with its time, and shown by the one coroutine that reads it, in a thread: a
    terminal that takes no more (Ctrl-S) must not hold up the broker, which is in this process.
    """

    def __init__(self, view: View, seconds: float) -> None:
        self.view = view
        self.seconds = seconds
        self.now = boot_clock()
        self.began = self.now()
        self.tally = Tally()
        self.inbox: asyncio.Queue[tuple[float, Told | Call | Curtain]] = asyncio.Queue()
        self.narrator = Narrator(self.tally)
        self.broken = False

    async def perform(self) -> int:
        """Exit code 0: nothing was missed, and it ended because it was to end."""
        self._arrange_the_end()
        reason = ""
        with self.view:
            try:
                await self._play()
            except Curtain as curtain:
                reason = curtain.reason
        self.view.tell([Paragraph("title", "Summary")])
        self.view.figures(story.summary(self.tally, LIFETIME))
        self.view.tell([Paragraph("bad", reason)] if reason else story.verdict(self.tally))
        return 1 if reason or self.tally.misses else 0

    def _arrange_the_end(self) -> None:
        loop = asyncio.get_running_loop()
        if self.seconds:
            loop.call_later(self.seconds, self._end)
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):
            if (number := getattr(signal, name, None)) is None:
                continue
            try:
                loop.add_signal_handler(number, self._end)
            except NotImplementedError:  # Windows
                signal.signal(number, lambda *_: loop.call_soon_threadsafe(self._end))

    def _put(self, item: Told | Call | Curtain) -> None:
        self.inbox.put_nowait((self.now(), item))

    def _end(self, reason: str = "") -> None:
        self._put(Curtain(reason))

    async def _play(self) -> None:
        async with AsyncExitStack() as stack:
            await self._tell(story.opening(self.seconds))
            settings, server = await stack.enter_async_context(embedded(_settings(), lifetime=LIFETIME))
            await self._tell(story.problem(server.issuer, *await _ask_with_secret(server)))
            await self._beat()
            broker = await self._broker(stack, settings)
            crash = asyncio.ensure_future(broker.crashed())
            crash.add_done_callback(lambda _: self._end("A loop of the broker has ended, which is a defect."))
            stack.callback(crash.cancel)
            await self._first_token()
            await self._beat()
            workload = calling(
                await self._invite(broker, server),
                f"{server.issuer}/api/v1/users",
                called=self._put,
                ended=lambda: self._end("The sample workload has ended by itself."),
            )
            await stack.enter_async_context(workload)
            while True:
                await self._next(REDRAW)
                await self._break_once(server)
                scene = self.tally.scene(self.now(), elapsed=self.now() - self.began, seconds=self.seconds)
                await asyncio.to_thread(self.view.draw, scene)

    def _observe(self, event: Event) -> None:
        if isinstance(event, Told):
            self._put(event)

    async def _broker(self, stack: AsyncExitStack, settings: Settings) -> Broker:
        """On the ports of the documentation; on free ones when somebody has one of these, another demo perhaps."""
        try:
            at = replace(settings, api=Api(listen=(API,)), admin=Admin(listen=(ADMIN,)))
            return await stack.enter_async_context(running(at, observers=[self._observe], now=self.now))
        except ConfigError:
            at = replace(settings, api=Api(listen=(FREE,)), admin=Admin(listen=(FREE,)))
            return await stack.enter_async_context(running(at, observers=[self._observe], now=self.now))

    async def _first_token(self) -> None:
        while not (self.narrator.key and self.tally.token):
            await self._next(None)
        await self._tell(story.broker(self.narrator.key, self.tally.token))

    async def _invite(self, broker: Broker, server: DevServer) -> str:
        """Say what people can try. Returns where the workload asks."""
        api, admin = (f"http://localhost:{one.addresses[0].rpartition(':')[2]}" for one in (broker.api, broker.admin))
        await self._tell(story.workload(api, admin, server.issuer, moved=not api.endswith(API)))
        return f"http://{broker.api.addresses[0]}"

    async def _tell(self, paragraphs: list[Paragraph]) -> None:
        await asyncio.to_thread(self.view.tell, paragraphs)

    async def _beat(self) -> None:
        """Let people read, while everything goes on."""
        until = self.now() + self.view.beat
        while (left := until - self.now()) > 0:
            await self._next(left)

    async def _next(self, seconds: float | None) -> None:
        """Take in what happens next, if it does within `seconds`. Raises Curtain."""
        try:
            async with asyncio.timeout(seconds):
                at, item = await self.inbox.get()
        except TimeoutError:
            return
        if isinstance(item, Curtain):
            raise item
        if said := self.narrator(item, at):
            await self._say(at, *said)

    async def _say(self, at: float, text: str, mood: Mood) -> None:
        clock = time.localtime(time.time() - (self.now() - at))
        await asyncio.to_thread(self.view.happened, time.strftime("%H:%M:%S", clock), text, mood)

    async def _break_once(self, server: DevServer) -> None:
        """Make the server fail, unless somebody who tries it by hand already has."""
        token = self.tally.token
        if self.broken or token is None or self.tally.fetched < LAST_BEFORE_OUTAGE:
            return
        if self.now() < token.next_refresh_at - NOTICE:
            return
        self.broken = True
        if not self.tally.failed and not server.faults.pending():
            server.faults.add(OUTAGE)
            await self._say(self.now(), story.OUTAGE, "note")


def _settings() -> Settings:
    """What a user would write; issuer and key are the embedded server's business."""
    client = ClientSettings(client_id=CLIENT_ID, private_keys=(), assertion=Assertion(audience="token_endpoint"))
    return Settings(
        clients={"okta": client},
        tokens={"users-api": TokenSettings(client="okta", scopes=(SCOPE,))},
    )


async def _ask_with_secret(server: DevServer) -> tuple[int, str, str]:
    """A token request as RFC 6749 section 2.3.1 has it. Status, `error` and `error_description` of the answer."""
    transport = Transport(Http(proxy="none"), now=time.monotonic, observe=lambda _: None)
    form = {
        "grant_type": "client_credentials",
        "scope": SCOPE,
        "client_id": CLIENT_ID,
        "client_secret": secrets.token_urlsafe(),
    }
    try:
        reply = await transport.post(server.token_endpoint, form)
    finally:
        await transport.close()
    said = json.loads(reply.body)
    return reply.status, said["error"], said["error_description"]
