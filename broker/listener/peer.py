"""The other end of a connection."""

import socket
import struct
from typing import NamedTuple, cast

from broker.listener import web


class Peer(NamedTuple):
    """`uid` is the user that connected to a Unix socket, as the kernel noted it then (SO_PEERCRED); `None` elsewhere.

    It is of the broker's user namespace: a uid without a mapping there is the overflow uid, 65534.
    """

    over_unix: bool
    uid: int | None


def peer_of(protocol: web.RequestHandler) -> Peer:
    """The peer of a connection that is open; in doubt it is not on a Unix socket."""
    unix = isinstance(protocol.sockname, str)
    if not unix or protocol.transport is None or not hasattr(socket, "SO_PEERCRED"):
        return Peer(unix, None)
    sock = cast("socket.socket", protocol.transport.get_extra_info("socket"))
    _, uid, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return Peer(unix, int(uid))


def over_unix(request: web.BaseRequest) -> bool:
    """Whether the request came through a Unix socket; in doubt it did not."""
    return isinstance(request.protocol.sockname, str)
