"""Whatever becomes of the log's reader, the broker serves on and ends when it is asked to."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pytest

from broker.devserver import DevServer
from e2e.processes import COMMAND, config, get, write_key

REQUEST = b"GET /v1/token HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\n\r\n"
#: More than a pipe and the queue hold.
MANY = 5000
#: The promise is one second; the bound leaves room for a machine that is busy with other tests.
AT_ONCE = 3.0


@dataclass
class Unread:
    """A broker whose output is read only when a test says so."""

    process: asyncio.subprocess.Process
    output: IO[bytes]
    events: list[dict[str, Any]] = field(default_factory=list)

    async def read_until(self, name: str) -> dict[str, Any]:
        """The next event of this name; those before it are kept in `events`."""
        while True:
            self.events.append(json.loads(await asyncio.to_thread(self.output.readline)))
            if self.events[-1]["event"] == name:
                return self.events[-1]

    def address(self, listener: str) -> str:
        return next(str(event["addresses"][0]) for event in self.events if event.get("listener") == listener)

    async def dropped(self) -> int:
        text = (await get(f"http://{self.address('admin')}/metrics"))[1]
        return int(float(re.findall(r"^token_broker_log_lines_dropped_total (.+)$", text, re.MULTILINE)[0]))

    async def hand_out(self, times: int) -> None:
        """Ask for the token so often, over one connection."""
        host, port = self.address("api").split(":")

        def ask() -> None:
            with socket.create_connection((host, int(port)), timeout=20) as connection:
                for _ in range(times):
                    connection.sendall(REQUEST)
                    assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")

        await asyncio.to_thread(ask)

    async def stop(self) -> float:
        """Seconds from SIGTERM to exit code 0."""
        asked = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await self.process.wait() == 0
        return time.monotonic() - asked


@asynccontextmanager
async def unread(*command: str) -> AsyncIterator[Unread]:
    """The command, with a pipe for its output."""
    reader, writer = os.pipe()
    process = await asyncio.create_subprocess_exec(*command, stdout=writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as output:
        try:
            yield Unread(process, output)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


@asynccontextmanager
async def audited(folder: Path) -> AsyncIterator[Unread]:
    """A broker with an audit log that has a token."""
    async with DevServer() as server:
        server.register("client", {"keys": [write_key(folder / "key.jwk")]}, {"okta.users.read"})
        file = config(folder, issuer=server.issuer, extra="log: {audit: true}")
        async with unread(COMMAND, "run", "--config", str(file)) as broker:
            await broker.read_until("token_refreshed")
            yield broker


async def test_stalled_log_reader_holds_up_neither_hand_outs_nor_probes_nor_exit(tmp_path: Path) -> None:
    async with audited(tmp_path) as broker:
        await broker.hand_out(MANY)
        assert (await get(f"http://{broker.address('admin')}/livez"))[0] == 200
        assert await broker.dropped() > 0
        assert await broker.stop() < AT_ONCE


async def test_log_reader_that_is_back_learns_how_many_lines_are_missing(tmp_path: Path) -> None:
    async with audited(tmp_path) as broker:
        await broker.hand_out(MANY)
        mention = await broker.read_until("log_lines_dropped")
        assert (mention["level"], mention["lines"]) == ("warning", await broker.dropped())
        assert "standard output" in mention["fix"]
        assert [event["event"] for event in broker.events].count("token_handed_out") == MANY - mention["lines"]
        await broker.hand_out(1)
        await broker.read_until("token_handed_out")


@pytest.mark.slow
async def test_log_reader_that_has_gone_is_counted_and_costs_nothing_else(tmp_path: Path) -> None:
    async with audited(tmp_path) as broker:
        broker.output.close()
        await broker.hand_out(3)
        async with asyncio.timeout(20):
            while await broker.dropped() < 3:
                await asyncio.sleep(0.01)
        assert await broker.stop() < AT_ONCE


async def test_last_line_of_a_crash_reaches_a_reader_that_is_late(tmp_path: Path) -> None:
    write_key(tmp_path / "key.jwk")
    file = config(tmp_path, issuer="http://127.0.0.1:9")
    code = f"""
import sys
from broker.cli import serve
def broken(*_):
    raise ZeroDivisionError("s3cret")
serve.warnings = broken
sys.argv = ["token-broker", "run", "--config", {str(file)!r}]
from broker.__main__ import main
main()
"""
    async with unread(sys.executable, "-c", code) as broker:
        assert await broker.process.wait() == 1
        last = await broker.read_until("internal_error")
        assert last["error"] == "ZeroDivisionError"
        assert "s3cret" not in json.dumps(broker.events)
        assert broker.output.read() == b""


@pytest.mark.slow
async def test_exit_code_2_keeps_the_lines_before_it(tmp_path: Path) -> None:
    write_key(tmp_path / "key.jwk")
    file = config(tmp_path, issuer="http://127.0.0.1:9")
    file.write_text(file.read_text().replace('admin: {listen: ["127.0.0.1:0"]}', 'admin: {listen: ["192.0.2.1:1"]}'))
    async with unread(COMMAND, "run", "--config", str(file)) as broker:
        assert await broker.process.wait() == 2
        await broker.read_until("listening")
        assert broker.events[0]["event"] == "started"
