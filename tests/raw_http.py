"""A client that sends exactly the bytes a test gives it, and reads answers as they come."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

#: Seconds after which a test calls an answer that does not come a hang.
PATIENCE = 5.0


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes
    head: bytes = field(repr=False)

    @property
    def json(self) -> dict[str, Any]:
        members = json.loads(self.body)
        assert isinstance(members, dict)
        return members


class Wire:
    """One connection. `closed` is true once the server has hung up, by whatever means."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def answer(self, *, body: bool = True) -> Answer:
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
            first, *fields = head[:-4].decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields)}
            length = int(headers.get("content-length", 0)) if body else 0
            return Answer(int(first.split(" ")[1]), headers, await self.reader.readexactly(length), head)

    async def ask(self, data: bytes) -> Answer:
        await self.send(data)
        return await self.answer()

    async def rest(self) -> bytes:
        """What comes until the server hangs up."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""


@asynccontextmanager
async def wire(address: str) -> AsyncIterator[Wire]:
    """A connection to one of a listener's `addresses`."""
    if address.startswith("unix:"):
        reader, writer = await asyncio.open_unix_connection(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        reader, writer = await asyncio.open_connection(host.strip("[]"), int(port))
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


async def ask(address: str, data: bytes) -> Answer:
    """The answer to `data` on a connection of its own."""
    async with wire(address) as one:
        return await one.ask(data)


def get(target: str = "/", *fields: str, method: str = "GET", host: str = "localhost", body: bytes = b"") -> bytes:
    """A well-formed request; `fields` are whole header lines."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host}", *fields]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body
