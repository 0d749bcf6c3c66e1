"""What a token-broker costs in every pod: start to ready and memory, and how soon its commands are done.

Run from the top of the repository: python -m benchmarks.footprint.run
"""

import argparse
import json
import os
import platform
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
from joserfc.jwk import RSAKey

from benchmarks.footprint import measuring
from benchmarks.footprint.measuring import Samples, Server, above, free_port, rounds, spread, started, times

HERE = Path(sys.executable).parent
TOKEN_BROKER = str(HERE / "token-broker")
HELLO = str(Path(__file__).with_name("hello.py"))
BARE = r"""
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    peer, _ = server.accept()
    peer.recv(4096)
    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    peer.close()
"""
ASYNCIO, UVLOOP = "token-broker", "token-broker, uvloop"
HELLO_OF = {ASYNCIO: "aiohttp hello", UVLOOP: "aiohttp hello, uvloop"}
OTHER = " (other)"
#: What is measured of a server, and how it is written.
QUANTITIES = {"ready_ms": ".0f", "cpu_ms": ".0f", "rss_mib": ".1f", "private_dirty_mib": ".1f"}
# A development environment has uvloop and the image has not; the broker takes it where it is.
WITHOUT_UVLOOP = "import sys; sys.modules['uvloop'] = None; from broker.__main__ import main; main()"


def broker_config(directory: Path, *, issuer: int, api: int, admin: int) -> Path:
    """One client, one token, one RSA key of 2048 bits: the usual pod. Ports in, the path of the file out."""
    key, config = directory / "private-key.jwk", directory / "config.yaml"
    key.write_text(json.dumps(RSAKey.generate_key(2048, {"kid": "bench"}).as_dict(private=True)), encoding="utf-8")
    client = {
        "provider": "okta",
        "issuer": f"http://127.0.0.1:{issuer}",
        "client_id": "bench",
        "private_key": {"file": str(key)},
    }
    settings = {
        "api": {"listen": [f"127.0.0.1:{api}"]},
        "admin": {"listen": [f"127.0.0.1:{admin}"]},
        "clients": {"okta": client},
        "tokens": {"users-api": {"scopes": ["okta.users.read"]}},
    }
    config.write_text(json.dumps(settings), encoding="utf-8")  # JSON is YAML
    return config


def brokers(binaries: Path, run: Sequence[str], port: int, suffix: str = "") -> dict[str, Server]:
    """`token-broker run` of the environment whose programs are in `binaries`, on both loops."""
    without = [
        str(binaries / "python"),
        "-P",
        "-c",
        WITHOUT_UVLOOP,
    ]  # -P: the broker of that environment
    commands = {ASYNCIO: without, UVLOOP: [str(binaries / "token-broker")]}
    return {f"{name}{suffix}": Server(command=[*command, *run], port=port) for name, command in commands.items()}


def measured(number: int, directory: Path, other: Path | None) -> tuple[Samples, Samples]:
    """The starts of the servers and the runs of the commands."""
    bare, hello, issuer, api, admin = (free_port() for _ in range(5))
    run = ["run", "--config", str(broker_config(directory, issuer=issuer, api=api, admin=admin))]
    hello_command = [sys.executable, HELLO, str(hello)]
    servers = {
        "bare Python": Server(command=[sys.executable, "-c", BARE, str(bare)], port=bare),
        HELLO_OF[ASYNCIO]: Server(command=hello_command, port=hello),
        HELLO_OF[UVLOOP]: Server(command=[*hello_command, "uvloop"], port=hello),
        **brokers(HERE, run, admin),
        **(brokers(other, run, admin, OTHER) if other else {}),
    }
    commands = {
        "bare Python": [sys.executable, "-c", "pass"],
        "--version": [TOKEN_BROKER, "--version"],
        "healthcheck": [TOKEN_BROKER, "healthcheck", "--url", f"http://127.0.0.1:{admin}"],
        "token": [TOKEN_BROKER, "token", "users-api", "--url", f"http://127.0.0.1:{api}"],
    }
    authorization_server = Server(
        command=[TOKEN_BROKER, "dev-server", "--listen", f"127.0.0.1:{issuer}"],
        port=issuer,
        path="/.well-known/openid-configuration",
    )
    with started(authorization_server):
        starts = rounds(number, {name: server.start for name, server in servers.items()})
        with started(servers[ASYNCIO]):
            runs = rounds(number, {name: partial(measuring.run, command) for name, command in commands.items()})
    return starts, runs


def row(*cells: str) -> None:
    """One line of a table that Markdown understands."""
    print("|", " | ".join(f"{cell:26}" for cell in cells), "|")


def compare(starts: Samples, title: str, name: str, base: str) -> None:
    """One line: times as multiples, memory as differences, each within a round."""
    ratios = [times(starts, name, base, quantity).shown(".2f") for quantity in ("ready_ms", "cpu_ms")]
    memory = [above(starts, name, base, quantity).shown("+.1f") for quantity in ("rss_mib", "private_dirty_mib")]
    row(title, *ratios, *memory)


def tables(starts: Samples, runs: Samples) -> None:
    """What was measured, then the broker against the hello server and the aim."""
    row("started", "ready, ms", "CPU until then, ms", "RSS, MiB", "Private_Dirty, MiB")
    row(*["---"] * 5)
    for name in starts:
        row(name, *(spread(starts, name, quantity).shown(form) for quantity, form in QUANTITIES.items()))
    for name in starts:
        if hello := HELLO_OF.get(name.removesuffix(OTHER)):
            compare(starts, f"{name} over hello", name, hello)
    row("aim, over hello", "1.4 at most", "1.4 at most", "+17.5 at most", "+10 at most")
    for name in HELLO_OF:
        if name + OTHER in starts:
            compare(starts, f"{name} over the other", name, name + OTHER)
    print()
    row("run to its end", "ms", "times bare Python")
    row(*["---"] * 3)
    for name in runs:
        ratio = times(runs, name, "bare Python", "done_ms")
        row(name, spread(runs, name, "done_ms").shown(".0f"), ratio.shown(".2f"))


def main() -> None:
    """Measure and print; write every sample on demand."""
    parser = argparse.ArgumentParser(description="The footprint of a token-broker.")
    parser.add_argument("--rounds", type=int, default=9, metavar="N")
    parser.add_argument(
        "--other", type=Path, metavar="DIR", help="bin directory of another installation, measured in the same rounds"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write every sample")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        starts, runs = measured(arguments.rounds, Path(directory), arguments.other)
    machine = {"python": platform.python_version(), "platform": platform.platform(), "cpus": os.cpu_count()}
    print(", ".join(f"{what} {value}" for what, value in machine.items()), f"\n{arguments.rounds} rounds\n")
    tables(starts, runs)
    if arguments.json:
        figures = {"machine": machine, "starts": starts, "runs": runs}
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=1))  # NaN becomes null


if __name__ == "__main__":
    main()
