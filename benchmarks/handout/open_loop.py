"""A client that asks on a schedule and never waits with the next question for the last answer.

Arguments: port, requests per second, seconds, number of paths. Prints JSON. A latency runs from the moment a request
was due, so that a server that stalls is not spared the requests that came meanwhile. Every other request has a head
that was never sent before; the others are sent over and over, one head for each connection.
"""

import json
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field

CONNECTIONS = 16  # for each of the two kinds
WARM = 0.1  # of the requests are not counted


@dataclass(slots=True, eq=False)
class Asker:
    """One connection, and when the request on it was due."""

    sock: socket.socket
    kind: int
    path: str
    sent: int = 0
    due: float = 0.0
    number: int = 0
    got: bytearray = field(default_factory=bytearray)

    def ask(self, number: int, due: float) -> None:
        """Send the request `number`."""
        self.number, self.due = number, due
        more = f"X-Request-ID: request-{number:08d}\r\n" if self.kind else ""
        head = (
            f"GET {self.path} HTTP/1.1\r\nHost: localhost\r\nMetadata: true\r\nAccept: application/json\r\n{more}\r\n"
        )
        self.sock.send(head.encode())

    def answered(self) -> bool:
        """Read; whether the answer is whole. Raises RuntimeError when it is not a good one."""
        self.got += self.sock.recv(65536)
        head, end, body = self.got.partition(b"\r\n\r\n")
        if not end:
            return False
        if not head.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(head.split(b"\r\n")[0].decode())
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(body) < int(length.partition(b":")[2]):
            return False
        self.got.clear()
        return True


def asked(port: int, rate: float, seconds: float, paths: int) -> list[float]:
    """The latencies in seconds, in the order of the schedule."""
    idle: tuple[deque[Asker], deque[Asker]] = (deque(), deque())
    for kind in (0, 1):
        for number in range(CONNECTIONS):
            sock = socket.create_connection(("127.0.0.1", port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            idle[kind].append(Asker(sock, kind, f"/v1/tokens/t{(number + kind * 5) % paths}"))
    waiting: tuple[deque[int], deque[int]] = (deque(), deque())
    busy: dict[socket.socket, Asker] = {}
    total = int(rate * seconds)
    latencies = [0.0] * total
    came = done = 0
    start = time.perf_counter() + 0.1
    while done < total:
        now = time.perf_counter()
        while came < total and start + came / rate <= now:
            waiting[came % 2].append(came)
            came += 1
        for due, free in zip(waiting, idle, strict=True):
            while due and free:
                number, asker = due.popleft(), free.popleft()
                asker.ask(number, start + number / rate)
                busy[asker.sock] = asker
        pause = max(0.0, start + came / rate - time.perf_counter()) if came < total else 1.0
        for sock in select.select(list(busy), [], [], pause)[0]:
            asker = busy[sock]
            if asker.answered():
                latencies[asker.number] = time.perf_counter() - asker.due
                done += 1
                del busy[sock]
                idle[asker.kind].append(asker)
    return latencies


def main() -> None:
    """Ask and tell."""
    port, rate, seconds, paths = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    latencies = asked(port, rate, seconds, paths)
    counted = sorted(latencies[int(len(latencies) * WARM) :])
    at = {f"p{share}_ms": counted[int(len(counted) * share / 100)] * 1000 for share in (50, 99)}
    print(json.dumps({**at, "max_ms": counted[-1] * 1000, "requests": len(latencies)}))


if __name__ == "__main__":
    main()
