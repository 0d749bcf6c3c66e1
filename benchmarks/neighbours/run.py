"""Memory and latency of a broker under each attack: python -m benchmarks.neighbours.run [--seconds N] [ATTACK…]."""

import argparse
import contextlib
import http.client
import json
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from joserfc.jwk import ECKey

from benchmarks.footprint.measuring import ENVIRONMENT, Server, free_port, started
from benchmarks.footprint.run import TOKEN_BROKER, WITHOUT_UVLOOP
from benchmarks.neighbours.attacks import ATTACKS, Attack

#: Seconds between two rounds of requests, and after which one counts as lost.
PAUSE = 0.1
PATIENCE = 5.0
#: Seconds after an attack until what is left is measured.
SETTLE = 2.0


@dataclass
class Stage:
    """A broker that holds the token `t` and waits for the token `absent`."""

    pid: int
    api: str
    unix: str
    admin: str


class Unix(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def connect(self) -> None:
        """Connect to the path that stands for the host."""
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)


@contextlib.contextmanager
def staged(*, uvloop: bool, tokens: int = 0) -> Iterator[Stage]:
    """A started broker; `tokens` further ones make its metrics long."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        issuer, api, admin = free_port(), free_port(), free_port()
        key = ECKey.generate_key("P-256", {"kid": "bench"})
        (directory / "key.jwk").write_text(json.dumps(key.as_dict(private=True)))
        client = {"provider": "okta", "client_id": "bench", "private_key": {"file": f"{directory}/key.jwk"}}
        settings = {
            "api": {"listen": [f"127.0.0.1:{api}", f"unix:{directory}/api.sock"], "token_endpoint": "open"},
            "admin": {"listen": [f"127.0.0.1:{admin}"]},
            "clients": {
                "good": client | {"issuer": f"http://127.0.0.1:{issuer}"},
                "bad": client | {"issuer": f"http://127.0.0.1:{free_port()}"},
            },
            "tokens": {
                "t": {"client": "good", "scopes": ["okta.users.read"]},
                "absent": {"client": "bad", "required": False, "scopes": ["okta.users.read"]},
            }
            | {f"t{number:04}": {"client": "good", "scopes": ["okta.users.read"]} for number in range(tokens)},
        }
        (directory / "config.yaml").write_text(json.dumps(settings))  # JSON is YAML
        program = [TOKEN_BROKER] if uvloop else [sys.executable, "-c", WITHOUT_UVLOOP]
        command = [*program, "run", "--config", f"{directory}/config.yaml"]
        dev = [TOKEN_BROKER, "dev-server", "--listen", f"127.0.0.1:{issuer}"]
        with (
            started(Server(command=dev, port=issuer, path="/.well-known/openid-configuration")),
            started(Server(command=command, port=admin)) as pid,
        ):
            yield Stage(pid, f"127.0.0.1:{api}", f"{directory}/api.sock", f"127.0.0.1:{admin}")


def mebibytes(pid: int, what: str) -> float:
    """A field of /proc/PID/status: VmRSS, or VmHWM for the highest VmRSS so far."""
    found = re.search(rf"^{what}:\s+(\d+) kB$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return int(found[1]) / 1024 if found else float("nan")


@dataclass
class Watch:
    """Asks what kubelet, Prometheus and workloads ask, each time on a new connection."""

    stage: Stage
    worst: dict[str, float] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    _end: threading.Event = field(default_factory=threading.Event)

    def ask(self, kind: str, connection: http.client.HTTPConnection, path: str) -> bytes:
        """The answer; how long it took is kept."""
        began = time.monotonic()
        try:
            connection.request("GET", path, headers={"Metadata": "true", "Host": "localhost"})
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != http.HTTPStatus.OK:
                self.failures.append(f"{kind}: {answer.status}")
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{kind}: {type(error).__name__} after {time.monotonic() - began:.2f} s")
            return b""
        finally:
            connection.close()
        self.worst[kind] = max(self.worst.get(kind, 0.0), time.monotonic() - began)
        return body

    def tcp(self, address: str) -> http.client.HTTPConnection:
        """A new connection."""
        return http.client.HTTPConnection(address, timeout=PATIENCE)

    def keep_asking(self) -> None:
        """Until it is over."""
        while not self._end.wait(PAUSE):
            self.ask("probe", self.tcp(self.stage.admin), "/livez")
            self.ask("scrape", self.tcp(self.stage.admin), "/metrics")
            self.ask("hand-out", self.tcp(self.stage.api), "/v1/tokens/t")
            self.ask("hand-out", Unix(self.stage.unix, timeout=PATIENCE), "/v1/tokens/t")

    def refused(self, reason: str) -> int:
        """How many were, by the broker's own metrics."""
        text = self.ask("scrape", self.tcp(self.stage.admin), "/metrics").decode()
        found = re.search(rf'^token_broker_requests_refused_total{{reason="{reason}"}} (\S+)$', text, re.MULTILINE)
        return int(float(found[1])) if found else 0

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Ask beside what is done here."""
        thread = threading.Thread(target=self.keep_asking)
        thread.start()
        try:
            yield
        finally:
            self._end.set()
            thread.join()


@dataclass(frozen=True)
class Outcome:
    """What an attack did."""

    peak: float
    after: float
    worst: dict[str, float]
    failures: list[str]
    evicted: int

    @classmethod
    def of_all(cls, outcomes: Sequence["Outcome"]) -> "Outcome":
        """The worst of several, one after another."""
        kinds = {kind for one in outcomes for kind in one.worst}
        return cls(
            peak=max(one.peak for one in outcomes),
            after=outcomes[-1].after,
            worst={kind: max(one.worst.get(kind, 0.0) for one in outcomes) for kind in kinds},
            failures=[failure for one in outcomes for failure in one.failures],
            evicted=sum(one.evicted for one in outcomes),
        )


def attacked(stage: Stage, attacks: Sequence[Attack], seconds: float) -> Outcome:
    """The outcome of attacks at one time."""
    watch = Watch(stage)
    address = {"api": stage.api, "unix": stage.unix, "admin": stage.admin}
    Path(f"/proc/{stage.pid}/clear_refs").write_text("5")  # VmHWM begins anew
    before = watch.refused("evicted")
    flood = [sys.executable, "-m", "benchmarks.neighbours.flood"]
    with watch.watching(), contextlib.ExitStack() as stack:
        for one in attacks:
            process = subprocess.Popen([*flood, one.name, address[one.to], str(seconds)], env=ENVIRONMENT)
            stack.callback(process.wait)
    peak = mebibytes(stage.pid, "VmHWM")
    time.sleep(SETTLE)
    evicted = watch.refused("evicted") - before
    return Outcome(peak, mebibytes(stage.pid, "VmRSS"), watch.worst, watch.failures, evicted)


def row(*cells: str) -> None:
    """One line of a table that Markdown understands."""
    print("|", " | ".join(cells), "|", flush=True)


def show(name: str, loop: str, outcome: Outcome) -> None:
    """One line for one attack."""
    worst = [f"{outcome.worst.get(kind, float('nan')):.2f}" for kind in ("probe", "scrape", "hand-out")]
    lost = f"{len(outcome.failures)} lost: {outcome.failures[0]}" if outcome.failures else "none"
    row(name, loop, f"{outcome.peak:.1f}", f"{outcome.after:.1f}", *worst, str(outcome.evicted), lost)


def main() -> None:
    """Measure each attack on each event loop, each on a new broker, and all in turn on one; print a table."""
    parser = argparse.ArgumentParser(description="A broker among bad neighbours.")
    parser.add_argument("--seconds", type=float, default=6.0, metavar="N", help="how long each attack lasts")
    parser.add_argument("--loop", choices=["asyncio", "uvloop"], action="append")
    parser.add_argument("attacks", nargs="*", help="names, or the beginnings of names")
    arguments = parser.parse_args()
    chosen = [one for one in ATTACKS if one.name.startswith(tuple(arguments.attacks or [""]))]
    row("attack", "loop", "peak, MiB", "after, MiB", "worst probe, s", "scrape, s", "hand-out, s", "evicted", "lost")
    row(*["---"] * 9)
    for loop in arguments.loop or ["asyncio", "uvloop"]:
        for one in chosen:
            with staged(uvloop=loop == "uvloop", tokens=one.tokens) as stage:
                show(one.name, loop, attacked(stage, [one], arguments.seconds))
        if not arguments.attacks:
            usual = [one for one in chosen if not one.tokens]
            with staged(uvloop=loop == "uvloop") as stage:
                outcomes = [attacked(stage, [one], arguments.seconds / 3) for one in usual]
                show("all, one after another", loop, Outcome.of_all(outcomes))
            with staged(uvloop=loop == "uvloop") as stage:
                show("some of each at once", loop, attacked(stage, usual[::4], arguments.seconds))


if __name__ == "__main__":
    main()
