"""The other end of a connection."""

import asyncio
import socket
import struct
from collections.abc import Hashable
from typing import NamedTuple

from broker.http_server import web


class Peer(NamedTuple):
    """`uid` is the user that connected to a Unix socket, as the kernel noted it then (SO_PEERCRED); `None` elsewhere.

    It is of the broker's user namespace: a uid without a mapping there is the overflow uid, 65534.
    """

    over_unix: bool
    uid: int | None


def peer_of(protocol: web.RequestHandler) -> Peer:
    """The peer of a connection; in doubt it is not on a Unix socket."""
    transport = protocol.transport
    if transport is None or not isinstance(transport.get_extra_info("sockname"), str):
        return Peer(over_unix=False, uid=None)
    return Peer(over_unix=True, uid=_uid_of(transport))


def source_of(transport: asyncio.BaseTransport) -> Hashable:
    """What a pool counts connections by: the peer's IP address, or its user id on a Unix socket."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else _uid_of(transport)


def over_unix(request: web.BaseRequest) -> bool:
    """Whether the request came through a Unix socket; in doubt it did not."""
    return peer_of(request.protocol).over_unix


def _uid_of(transport: asyncio.BaseTransport) -> int | None:
    sock = transport.get_extra_info("socket")
    if sock is None or sock.family != getattr(socket, "AF_UNIX", None) or not hasattr(socket, "SO_PEERCRED"):
        return None
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return int(uid)
