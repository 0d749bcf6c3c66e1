"""Runs one attack for some seconds: python -m benchmarks.neighbours.flood NAME ADDRESS SECONDS."""

import contextlib
import select
import socket
import sys
import time
from collections import deque

from benchmarks.neighbours.attacks import ATTACKS, Attack

CLOSED = select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP
#: Connections opened before the others are looked after again.
BURST = 64


class Flood:
    """The connections of one attack."""

    def __init__(self, attack: Attack, address: str) -> None:
        self._attack = attack
        self._address = address
        self._poll = select.epoll()
        self._open: dict[int, socket.socket] = {}
        self._order: deque[int] = deque()
        self._unsent: dict[int, memoryview] = {}
        self._spoken: dict[int, float] = {}
        self._made = 0

    def run(self, seconds: float) -> None:
        """Keep it up."""
        began = time.monotonic()
        while (now := time.monotonic()) < began + seconds:
            for _ in range(min(BURST, int((now - began) * self._attack.rate) - self._made)):
                self._connect(now)
            for number, events in self._poll.poll(0.005):
                if events & CLOSED:
                    self._close(number)
                elif events & select.EPOLLOUT:
                    self._speak(number, now)
            if self._attack.every:
                self._remind(now)

    def _connect(self, now: float) -> None:
        self._made += 1
        while len(self._open) >= self._attack.connections:
            self._close(self._order.popleft())
        if self._address.startswith("/"):
            one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            where: str | tuple[str, int] = self._address
        else:
            one = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            host, _, port = self._address.rpartition(":")
            where = (host, int(port))
            one.bind((f"127.0.1.{1 + self._made % self._attack.sources}", 0))
        one.settimeout(0)
        try:
            one.connect(where)
        except BlockingIOError:
            if self._address.startswith("/"):  # its backlog is full, and nothing tells when it is not
                one.close()
                return
        except OSError:
            one.close()
            return
        number = one.fileno()
        self._open[number] = one
        self._order.append(number)
        self._unsent[number] = memoryview(self._attack.first)
        self._spoken[number] = now
        self._poll.register(number, select.EPOLLOUT | select.EPOLLRDHUP)

    def _speak(self, number: int, now: float) -> None:
        one, left = self._open[number], self._unsent[number]
        if not left and self._attack.more and not self._attack.every:
            left = memoryview(self._attack.more)
        try:
            self._unsent[number] = left[one.send(left) :] if left else left
        except BlockingIOError:
            return
        except OSError:
            self._close(number)
            return
        if not self._unsent[number] and not (self._attack.more and not self._attack.every):
            self._poll.modify(number, select.EPOLLRDHUP)
            self._spoken[number] = now

    def _remind(self, now: float) -> None:
        for number, at in self._spoken.items():
            if now - at >= self._attack.every and not self._unsent[number]:
                self._unsent[number] = memoryview(self._attack.more)
                self._spoken[number] = now
                self._poll.modify(number, select.EPOLLOUT | select.EPOLLRDHUP)

    def _close(self, number: int) -> None:
        if one := self._open.pop(number, None):
            with contextlib.suppress(OSError):
                self._poll.unregister(number)
            one.close()
            del self._unsent[number], self._spoken[number]


def main() -> None:
    """Attack."""
    name, address, seconds = sys.argv[1:]
    (attack,) = (one for one in ATTACKS if one.name == name)
    Flood(attack, address).run(float(seconds))


if __name__ == "__main__":
    main()
