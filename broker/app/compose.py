"""The composition root: builds every part from the settings, runs the loops, closes in reverse."""

import asyncio
import random
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any, NoReturn
from urllib.parse import urlsplit

from broker import __version__
from broker.admin import status
from broker.admin.health import Health
from broker.admin.server import Admin
from broker.admin.status.history import History
from broker.app.client import Client, build_client
from broker.app.clock import boot_clock
from broker.app.fan_out import FanOut
from broker.app.supervision import keep_running
from broker.core.defects import contained
from broker.core.diagnosis import Diagnosis
from broker.core.events import ConfigChanged, Listening, Observer, Reloading, Started
from broker.core.settings import ClientSettings, Settings
from broker.http_server import Listener
from broker.observers.metrics import Metrics
from broker.refresh.probing import Probing
from broker.refresh.refresher import Refresher
from broker.refresh.store import Store
from broker.workload_api.callers.registry import Callers
from broker.workload_api.proofs import ProofPolicy
from broker.workload_api.server import Handout
from broker.workload_api.sinks import Sink

#: Requests under way to one authorization server: enough for 200 tokens, far below Okta's limit of 35 to 75.
MAX_REQUESTS_PER_SERVER = 8
#: Seconds between two looks at the configuration file.
CONFIG_POLL = 10.0


class Broker:
    """The running whole. Made and ended by `running`."""

    def __init__(
        self,
        settings: Settings,
        *,
        observers: Iterable[Observer] = (),
        now: Callable[[], float],
        wall: Callable[[], float],
        draw: Callable[[], float],
    ) -> None:
        self.settings = settings
        self.now = now
        self.wall = wall
        self.metrics = Metrics(settings, now=now, wall=wall)
        self.history = History(settings.tokens, now=now)
        self.observe = FanOut([self.metrics, self.history, *observers])
        self.store = Store(settings.tokens, now)
        self._gates: dict[str, asyncio.Semaphore] = {}
        self.clients = {name: self._client(name, client) for name, client in settings.clients.items()}
        probing = {name: Probing(now) for name in settings.clients}
        self.refreshers = {
            name: Refresher(
                name,
                token,
                fetch=self.clients[token.client].grant.fetch,
                store=self.store,
                now=now,
                draw=draw,
                observe=self.observe,
                provider=settings.clients[token.client].provider,
                probing=probing[token.client],
            )
            for name, token in settings.tokens.items()
        }
        for refresher in self.refreshers.values():
            self.clients[refresher.settings.client].keys.subscribe(refresher.key_changed)
        self.loops: list[asyncio.Task[NoReturn]] = []
        self.callers = Callers(settings.api.callers, settings.tokens, observe=self.observe)
        handout = self._handout(settings)
        self.api = Listener(
            "api.listen",
            settings.api.listen,
            handout.handle,
            max_connections=settings.api.max_connections,
            limits=settings.api.limits,
            find_response=handout.find_response,
            observe=self.observe,
        )
        self.admin = Listener(
            "admin.listen",
            settings.admin.listen,
            self._admin(settings).handle,
            max_connections=settings.admin.max_connections,
            limits=settings.admin.limits,
            loopback_only=False,
            observe=self.observe,
        )

    def _handout(self, settings: Settings) -> Handout:
        return Handout(
            settings.api,
            settings.tokens,
            self.store,
            callers=self.callers,
            refreshers=self.refreshers,
            fetch_timeouts={
                name: settings.clients[token.client].http.timeout for name, token in settings.tokens.items()
            },
            failure=self.failure,
            next_at=lambda name: self.refreshers[name].due_at,
            proof_policies={
                name: ProofPolicy(
                    client=token.client,
                    targets=dpop.targets,
                    token_endpoint=self.clients[token.client].grant.token_endpoint,
                    clock=self.clients[token.client].grant.server_time,
                )
                for name, token in settings.tokens.items()
                if (dpop := settings.clients[token.client].dpop)
            },
            # An audit has one line for every token handed out, when it is; the cache counts several at once.
            fast_path=settings.api.fast_path and not settings.log.audit,
            now=self.now,
            wall=self.wall,
            observe=self.observe,
        )

    def _admin(self, settings: Settings) -> Admin:
        return Admin(
            status.Sources(
                settings=settings,
                health=Health(
                    settings.tokens,
                    self.store,
                    failure=self.failure,
                    startup_wait=settings.startup.wait,
                    now=self.now,
                    alive=self.alive,
                ),
                store=self.store,
                history=self.history,
                keys={name: client.keys.states for name, client in self.clients.items()},
                endpoints={name: client.grant.token_endpoint for name, client in self.clients.items()},
                now=self.now,
                wall=self.wall,
                host=socket.gethostname(),
            ),
            registry=self.metrics.registry,
            public_jwks={name: client.keys.public_jwks for name, client in self.clients.items()},
            observe=self.observe,
        )

    def _client(self, name: str, settings: ClientSettings) -> Client:
        server = urlsplit(settings.token_endpoint or settings.issuer or "").netloc
        return build_client(
            name,
            settings,
            gate=self._gates.setdefault(server, asyncio.Semaphore(MAX_REQUESTS_PER_SERVER)),
            now=self.now,
            wall=self.wall,
            observe=self.observe,
        )

    def failure(self, name: str) -> Diagnosis | None:
        """Why the last attempt for the token `name` failed; `None` when it did not, or none has ended yet."""
        return self.refreshers[name].failure

    def alive(self) -> bool:
        """Whether every loop still runs."""
        return not any(loop.done() for loop in self.loops)

    async def reload(self) -> None:
        """Read keys and callers' secrets again and retry what failed, at once (SIGHUP).

        CA files and secrets for authorization servers are read for every request.
        """
        self.observe(Reloading())
        for made in self.clients.values():
            made.grant.order.forget_refusals()
        with contained(self.observe):
            await asyncio.gather(self.callers.reload(), *(client.keys.load() for client in self.clients.values()))
        for refresher in self.refreshers.values():
            refresher.retry_now()

    async def crashed(self) -> None:
        """Return when a loop has ended, which none may: `/livez` fails from then on."""
        await asyncio.wait(self.loops, return_when=asyncio.FIRST_COMPLETED)

    async def start(self) -> None:
        """Know the callers, then listen at once; everything that may take its time is a loop."""
        await self.callers.load()
        await self.api.start()
        self.observe(Listening(listener="api", addresses=self.api.addresses))
        await self.admin.start()
        self.observe(Listening(listener="admin", addresses=self.admin.addresses))
        if any(caller.secret_file for caller in self.settings.api.callers.values()):
            self.loop(self.callers.watch, "callers")
        for name in self.clients:
            self.loop(partial(self._keep, name), f"client {name}")

    async def _keep(self, client: str) -> NoReturn:
        """Keep the tokens of one client, and the files that hold them, from the first reading of its keys on.

        Those may be slow to read, and what an earlier broker left in a file does not wait for that.
        """
        keys = self.clients[client].keys
        async with asyncio.TaskGroup() as group:
            for name, token in self.settings.tokens.items():
                for sink in token.sinks if token.client == client else ():
                    file = Sink(name, sink, self.store, now=self.now, wall=self.wall, observe=self.observe)
                    group.create_task(keep_running(file.run, self.observe))
            with contained(self.observe):
                await keys.load()
            group.create_task(keep_running(keys.watch, self.observe))
            for refresher in self.refreshers.values():
                if refresher.settings.client == client:
                    group.create_task(keep_running(refresher.run, self.observe))
        raise AssertionError  # pragma: no cover - no task of the group returns

    def loop(self, forever: Callable[[], Coroutine[Any, Any, NoReturn]], name: str) -> None:
        """Run `forever` beside the others, again after a defect; the broker is only alive while it runs."""
        self.loops.append(asyncio.create_task(keep_running(forever, self.observe), name=name))

    async def stop(self) -> None:
        """Close in reverse."""
        for loop in self.loops:
            loop.cancel()
        await asyncio.gather(*self.loops, return_exceptions=True)
        async with AsyncExitStack() as stack:
            for client in self.clients.values():
                stack.push_async_callback(client.transport.close)
            stack.push_async_callback(self.admin.close)
            stack.push_async_callback(self.api.close)


async def watch_config(file: str, changed: Callable[[], bool], observe: Observer) -> NoReturn:
    """Tell when the configuration file no longer is what the broker runs with: it is read at start only."""
    stale = False
    while True:
        await asyncio.sleep(CONFIG_POLL)
        if await asyncio.to_thread(changed) != stale:
            stale = not stale
            observe(ConfigChanged(file=file, stale=stale))


@asynccontextmanager
async def running(
    settings: Settings,
    *,
    observers: Iterable[Observer] = (),
    now: Callable[[], float] | None = None,
    wall: Callable[[], float] = time.time,
    draw: Callable[[], float] = random.random,
) -> AsyncIterator[Broker]:
    """A broker that is up, and is down again afterwards. Raises ConfigError when an address cannot be listened on."""
    broker = Broker(settings, observers=observers, now=now or boot_clock(), wall=wall, draw=draw)
    broker.observe(Started(version=__version__, tokens=tuple(settings.tokens)))
    try:
        await broker.start()
        yield broker
    finally:
        await broker.stop()
