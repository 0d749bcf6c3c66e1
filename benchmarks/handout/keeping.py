"""Connections that are kept, asked by hand and one at a time."""

import contextlib
import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any


class Kept:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.reader = self.sock.makefile("rb")

    def ask(self, path: str) -> None:
        """Send a request, and do not wait."""
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\nAccept: application/json\r\n\r\n"
        self.sock.sendall(head.encode())

    def answer(self) -> dict[str, Any]:
        """The answer's members. Raises RuntimeError when it is not 200."""
        status = self.reader.readline()
        if not status.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(status.decode())
        length = int(http.client.parse_headers(self.reader)["Content-Length"])
        members: dict[str, Any] = json.loads(self.reader.read(length))
        return members

    def close(self) -> None:
        """Hang up."""
        self.reader.close()
        self.sock.close()


@contextlib.contextmanager
def connected(port: int, number: int) -> Iterator[list[Kept]]:
    """So many connections to 127.0.0.1."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(Kept(port))) for _ in range(number)]
