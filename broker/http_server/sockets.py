"""Where the listeners listen: addresses in the configuration's words -> sockets that accept."""

import errno
import os
import socket
import stat
from collections.abc import Iterable
from contextlib import ExitStack, suppress
from dataclasses import field
from ipaddress import ip_address
from typing import TypeAlias

from msgspec import Struct

from broker.core.errors import ConfigError

#: As many connections as a burst may hold before the loop gets to them; the kernel cuts it to net.core.somaxconn.
BACKLOG = 1024
#: Owner and group may connect: containers of one pod share a group (fsGroup), not a user.
SOCKET_UMASK = 0o117
#: How often a free port is asked for when the one of the first family is taken in the second.
PORT_DRAWS = 10
#: Bytes of a socket's path that every system takes (sockaddr_un: 108 on Linux, 104 on macOS, a NUL included).
LONGEST_PATH = 103
# What bind says when the host has no such family: no IPv6 in the kernel, or switched off by sysctl.
_NO_SUCH_FAMILY = (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT)


#: Bytes, which Linux doubles for its own bookkeeping, that a connection may hold unread, and unsent.
KERNEL_BUFFER = 65536
#: File descriptors that are no connections of strangers: files, keys, requests to authorization servers.
OTHER_FILES = 128


def open_files() -> int:
    """How many connections the process may have open by its limit on file descriptors (RLIMIT_NOFILE)."""
    try:
        import resource  # noqa: PLC0415 - not on every platform
    except ImportError:  # pragma: no cover - Windows
        return 4096
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if soft == resource.RLIM_INFINITY else max(0, soft - OTHER_FILES)


class Tcp(Struct, frozen=True):
    """`hosts` on one port; of several, those that the host has. Port 0 is one that is free on each."""

    hosts: tuple[str, ...]
    port: int

    @property
    def is_loopback(self) -> bool:
        """Whether nobody beyond this machine (this pod) can connect."""
        try:
            return all(ip_address(host).is_loopback for host in self.hosts)
        except ValueError:  # a name, and what it resolves to may change
            return False


class Unix(Struct, frozen=True):
    """A socket in the file system."""

    path: str

    @property
    def is_loopback(self) -> bool:
        """No network leads here."""
        return True


Address: TypeAlias = Tcp | Unix


def parse(text: str) -> Address:
    """`localhost:7180`, `127.0.0.1:7180`, `[::1]:7180`, `:7181` (every family), `host:7181` or `unix:/path`.

    Raises ValueError with the rest of a sentence that begins with the address.
    """
    if text.startswith("unix:"):
        if not text.startswith("unix:/"):
            msg = "needs an absolute path, like unix:/run/token-broker/api.sock"
            raise ValueError(msg)
        return Unix(text.removeprefix("unix:"))
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        msg = "is not an address; write it like localhost:7180, [::1]:7180, :7181 or unix:/path"
        raise ValueError(msg)
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        msg = f"needs brackets around an IPv6 address: [{host}]:{port}"
        raise ValueError(msg)
    # Not left to the resolver: what /etc/hosts says of localhost must not open a door to the network.
    several = {"localhost": ("127.0.0.1", "::1"), "": ("0.0.0.0", "::")}  # noqa: S104 - asked for, as `:7181`
    return Tcp(several.get(host.lower(), (host,)), int(port))


class Bound(Struct, frozen=True, kw_only=True):
    """A socket that listens. `name` is its real address, in the form `parse` reads."""

    sock: socket.socket
    name: str
    path: str | None = None
    identity: tuple[int, int] = field(default=(0, 0))

    def unlink(self) -> None:
        """Remove the socket's file, unless somebody else has put theirs there meanwhile."""
        if self.path and _identity(self.path) == self.identity:
            with suppress(OSError):
                os.unlink(self.path)  # noqa: PTH108 - one system call, as near to the check as can be


def read(key: str, texts: Iterable[str], *, loopback_only: bool) -> list[tuple[str, Address]]:
    """Each text with what it means. Raises ConfigError with a sentence that names `key` for each that will not do."""
    addresses: list[tuple[str, Address]] = []
    complaints: list[str] = []
    for text in texts:
        try:
            address = parse(text)
        except ValueError as error:
            complaints.append(f"{key}: {text} {error}")
            continue
        addresses.append((text, address))
        if loopback_only and not address.is_loopback:
            complaints.append(
                f"{key}: {text} can be reached from the network, and tokens are handed out on this machine only; "
                "listen on localhost, a loopback address or unix:/path"
            )
    if complaints:
        raise ConfigError(complaints)
    return addresses


def bind_all(key: str, texts: Iterable[str], *, loopback_only: bool) -> list[Bound]:
    """Listen on each address. Raises ConfigError, naming `key`, for all that cannot be had; then none is held."""
    bound: list[Bound] = []
    complaints: list[str] = []
    for text, address in read(key, texts, loopback_only=loopback_only):
        try:
            bound += _bind_unix(address.path) if isinstance(address, Unix) else _bind_tcp(address)
        except OSError as error:
            complaints.append(f"{key}: {text} {_explain(error)}")
        except ValueError as error:
            complaints.append(f"{key}: {text} {error}")
    if complaints:
        for one in bound:
            one.unlink()
            one.sock.close()
        raise ConfigError(complaints)
    return bound


def _explain(error: OSError) -> str:
    match error.errno:
        case errno.EADDRINUSE:
            return (
                "is in use by another program or by another address of this configuration; stop that program, or "
                "listen elsewhere"
            )
        case errno.EACCES | errno.EPERM:
            return f"may not be used by uid {_uid()}; ports below 1024 and other users' directories need rights"
        case errno.EADDRNOTAVAIL | errno.EAFNOSUPPORT:
            return "is not an address of this host"
        case errno.ENOENT:
            return "is in a directory that does not exist; create it, or mount a volume there"
        case _:
            return f"cannot be listened on: {error.strerror or error}"


def _uid() -> int:
    return os.getuid() if hasattr(os, "getuid") else 0


def _bind_tcp(address: Tcp) -> list[Bound]:
    for _ in range(PORT_DRAWS):
        try:
            return _bind_hosts(address)
        except OSError as error:
            if address.port or error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _bind_hosts(address: Tcp) -> list[Bound]:
    """One socket for every host there is: two, not a dual-stack one, so that a peer's address has its own form."""
    bound: list[Bound] = []
    port, missing = address.port, None
    with ExitStack() as opened:
        for host in address.hosts:
            try:
                bound.append(_bind_one(host, port))
            except OSError as error:
                if error.errno not in _NO_SUCH_FAMILY:
                    raise
                missing = error
            else:
                port = opened.enter_context(bound[-1].sock).getsockname()[1]
        if missing and not bound:
            raise missing
        opened.pop_all()
    return bound


def _bind_one(host: str, port: int) -> Bound:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _, where = found[0]
    with ExitStack() as opened:
        sock = opened.enter_context(socket.socket(family, kind, protocol))
        # TIME_WAIT is no obstacle; on Windows the option would let others share the port.
        if os.name == "posix":  # pragma: no branch
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        # Connections inherit these. By itself the system buffers megabytes for each, which count as the container's.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BUFFER)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
        sock.bind(where)
        # At once: until somebody listens, Linux lets others bind the same port.
        sock.listen(BACKLOG)
        opened.pop_all()
    real, port = sock.getsockname()[:2]
    return Bound(sock=sock, name=f"[{real}]:{port}" if family == socket.AF_INET6 else f"{real}:{port}")


def _bind_unix(path: str) -> list[Bound]:
    if not hasattr(socket, "AF_UNIX"):  # pragma: no cover - Windows
        msg = "needs Unix sockets, which this system lacks"
        raise ValueError(msg)
    if len(os.fsencode(path)) > LONGEST_PATH:
        msg = f"is too long for a socket; a path may have {LONGEST_PATH} bytes"
        raise ValueError(msg)
    _remove_dead(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    umask = os.umask(SOCKET_UMASK)  # the mode from the first moment on; a chmod would come too late
    try:
        sock.bind(path)
        sock.listen(BACKLOG)
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(umask)
    return [Bound(sock=sock, name=f"unix:{path}", path=path, identity=_identity(path))]


def _remove_dead(path: str) -> None:
    """Make room where a socket was left behind by a crash; whatever else is at `path` stays."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        msg = "is a file that is no socket; remove it, or listen elsewhere"
        raise ValueError(msg)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:  # nobody listens: dead
            os.unlink(path)  # noqa: PTH108 - as above
            return
        except BlockingIOError:  # its backlog is full: alive
            pass
    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))


def _identity(path: str) -> tuple[int, int]:
    try:
        status = os.lstat(path)
    except OSError:
        return (0, 0)
    return (status.st_dev, status.st_ino)
