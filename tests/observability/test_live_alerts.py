"""The shipped alerts in a real Prometheus that scrapes real brokers, while things go wrong and are mended.

Waiting is made bearable by one mechanical change to a copy of the rules: each minute in them becomes a second.
"""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from aiohttp.test_utils import TestServer

from broker.devserver import DevServer, Fault
from e2e.processes import Running, config, started, write_key
from observability.prometheus import Prometheus, Target, prometheus
from observability.rules import RULES, alerts

PODS = ("web-0", "web-1", "web-2", "web-3")
PATIENCE = 80.0
#: They come and go here: what is expiring expires, and the broker's pauses, of up to a minute, are not made shorter.
FLEETING = {"TokenBrokerTokenExpiring", "TokenBrokerRefreshFailing"}
SECONDS = {"m": 1, "h": 60, "d": 1440}
KUBE = 'kube_pod_init_container_status_{}{{namespace="{}",pod="{}",container="token-broker"}} {}\n'
#: What the page of a broker says that never had a token.
NEVER = 'token_broker_token_expiration_timestamp_seconds{namespace="shop",pod="new-0",token="t"} 0\n'
#: What one says whose certificate expired when the epoch was a second old.
EXPIRED = 'token_broker_certificate_expiration_timestamp_seconds{namespace="shop",pod="old-0",client="c"} 1\n'
#: What fires while one thing of each sort is wrong.
ONE_OF_EACH = {
    "TokenBrokerTokenExpired web-0",
    "TokenBrokerTokenExpired new-0",
    "TokenBrokerConfigStale web-1",
    "TokenBrokerKeyRefused web-2",
    "TokenBrokerRestarting web-3",
    "TokenBrokerScrapeMissing",
    "TokenBrokerCertificateExpiring old-0",
    *(f"TokenBrokerClockOffset {pod}" for pod in PODS),
}


def hurried(rules: str) -> str:
    """Every duration of whole minutes, hours or days divided by sixty."""
    return re.sub(r"\b(\d+)([mhd])\b", lambda found: f"{int(found[1]) * SECONDS[found[2]]}s", rules)


@dataclass
class Cluster:
    """Four brokers of one authorization server, and what kube-state-metrics says about them."""

    server: DevServer
    folder: Path
    brokers: dict[str, Running] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    restarts: int = 0
    troubled: bool = False

    async def start(self, stack: AsyncExitStack, pod: str) -> None:
        place = self.folder / pod
        place.mkdir()
        self.server.register(pod, {"keys": [write_key(place / "key.jwk")]})
        file = config(place, issuer=self.server.issuer)
        file.write_text(file.read_text().replace("client_id: client", f"client_id: {pod}"))
        broker = self.brokers[pod] = await stack.enter_async_context(started("run", "--config", str(file)))
        await broker.event("token_refreshed")
        self.targets.append(Target.broker(await broker.address("admin"), namespace="shop", pod=pod))

    async def kube_state_metrics(self, _: web.BaseRequest) -> web.Response:
        told = [KUBE.format("running", "shop", pod, 1) for pod in PODS]
        if self.troubled:
            self.restarts += 1
            told.append(KUBE.format("restarts_total", "shop", "web-3", self.restarts))
            told.append(KUBE.format("running", "dark", "web-0", 1))
            told += [NEVER, EXPIRED]
        return web.Response(text="".join(told))

    def trouble(self) -> None:
        """A client that is refused, a stale file, a broken key, restarts, a broker nobody scrapes; clocks for all."""
        self.server.faults.set(Fault(status=503, client_id="web-0"))
        self.server.faults.skew = 60.0
        self.troubled = True
        for file, content in ((self.folder / "web-1/config.yaml", "# changed\n"), (self.folder / "web-2/key.jwk", "{")):
            file.with_suffix(".before").write_text(file.read_text())
            file.write_text(content)

    def mend(self) -> None:
        self.server.faults.clear()
        self.troubled = False
        for file in (self.folder / "web-1/config.yaml", self.folder / "web-2/key.jwk"):
            file.write_text(file.with_suffix(".before").read_text())
        for broker in self.brokers.values():
            broker.send(signal.SIGHUP)


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Cluster]:
    async with AsyncExitStack() as stack:
        made = Cluster(await stack.enter_async_context(DevServer(lifetime=20)), folder)
        for pod in PODS:
            await made.start(stack, pod)
        application = web.Application()
        application.router.add_get("/metrics", made.kube_state_metrics)
        server = await stack.enter_async_context(TestServer(application))
        made.targets.append(Target(f"127.0.0.1:{server.port}", {"job": "kube-state-metrics"}))
        yield made


async def fires(monitor: Prometheus, expected: set[str]) -> None:
    """Wait until these alerts fire, each as `name pod`, and no others but fleeting ones."""
    found: set[str] = set()
    try:
        async with asyncio.timeout(PATIENCE):
            while found != expected:
                await asyncio.sleep(0.5)
                found = {" ".join(each).strip() for each in await monitor.firing() if each[0] not in FLEETING}
    except TimeoutError:
        raise AssertionError(f"missing: {expected - found}, not expected: {found - expected}") from None


async def ever_fired(monitor: Prometheus) -> set[str]:
    """As above, since the beginning."""
    found = await monitor.query("group by (alertname, pod) (count_over_time(ALERTS{alertstate='firing'}[1h]))")
    return {f"{each['metric']['alertname']} {each['metric'].get('pod', '')}".strip() for each in found}


async def read_well(monitor: Prometheus) -> None:
    """Each alert that fires names its place, and no template in it failed."""
    for alert in (await monitor.get("alerts"))["alerts"]:
        labels, told = alert["labels"], alert["annotations"]
        for text in told.values():
            assert not re.search(r"<no value>|<error|{{|}}|%!|\\n|  ", text), text
        place = labels.get("pod", labels.get("namespace", ""))
        assert place in told["summary"], told
        if alert["labels"]["alertname"] == "TokenBrokerTokenExpired":
            assert told["summary"].endswith("was never fetched" if place == "new-0" else "has expired")


async def test_the_right_alerts_fire_while_things_are_wrong_and_clear_when_they_are_mended(tmp_path: Path) -> None:
    copy = tmp_path / "hurried.yaml"
    copy.write_text(hurried(RULES.read_text()))
    async with cluster(tmp_path) as made, prometheus(tmp_path, made.targets, rules=[RULES, copy]) as monitor:
        await asyncio.sleep(15)
        assert await ever_fired(monitor) == set()

        made.trouble()
        await fires(monitor, ONE_OF_EACH)
        await read_well(monitor)
        assert await ever_fired(monitor) == ONE_OF_EACH | {f"{name} web-0" for name in FLEETING}

        made.server.faults.set(Fault(status=503))
        await fires(
            monitor, {*ONE_OF_EACH, *(f"TokenBrokerTokenExpired {pod}" for pod in PODS), "TokenBrokerFleetFailing"}
        )
        await read_well(monitor)
        assert {each.split()[0] for each in await ever_fired(monitor)} == set(alerts())

        made.mend()
        await fires(monitor, set())
        groups = (await monitor.get("rules"))["groups"]
        # Unknown: it was not their turn yet.
        assert {rule["health"] for group in groups for rule in group["rules"]} <= {"ok", "unknown"}


def test_a_minute_of_the_rules_is_a_second_of_the_copy() -> None:
    assert hurried("for: 10m\n[3d:5m]\n> 0.5 [1h] m5") == "for: 10s\n[4320s:5s]\n> 0.5 [60s] m5"
