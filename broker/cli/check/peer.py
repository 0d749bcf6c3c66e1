"""Who is at the other end of a TLS connection, trusted or not: a handshake of its own, over which nothing is sent.

What a proxy on the way is sent, the wish to get through and its password, goes to one that is trusted.
"""

import asyncio
import ssl
from base64 import b64encode
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography.x509 import (
    Certificate,
    DNSName,
    ExtensionNotFound,
    IPAddress,
    Name,
    SubjectAlternativeName,
    load_der_x509_certificate,
)
from cryptography.x509.oid import NameOID
from yarl import URL

from broker.core.errors import NetworkError, SecretFileError
from broker.core.settings import Http
from broker.core.words import clean
from broker.files.secret_files import read_secret
from broker.http_client.proxies import from_environment
from broker.http_client.transport import proxy_named
from broker.http_client.trust import TrustStore, client_context

MAX_NAMES = 5
#: A proxy's answer to CONNECT is not much longer.
MAX_HEAD = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """The TLS version, and what the certificate says of itself; `names` are hosts and addresses."""

    tls: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """The HTTP proxy on the way, and which setting names it."""

    url: URL
    source: str

    def __str__(self) -> str:
        return f"{self.url.host}:{self.url.port} ({self.source})"

    def is_at_fault(self, error: NetworkError | None) -> bool:
        """Whether the trouble is with its own certificate, or its TLS."""
        return error is not None and error.fault == "tls" and error.where == proxy_named(self.url)


def proxy_for(url: str, http: Http, client: str) -> Proxy | None:
    """The proxy that the transport sends requests for `url` through; `None` also for one that is no URL."""
    if http.proxy == "none":
        return None
    target = URL(url)
    variable = "HTTPS_PROXY" if target.scheme == "https" else "HTTP_PROXY"
    written, source = http.proxy, f"clients.{client}.http.proxy"
    if written is None:
        written, source = from_environment(target), f"{variable} in the environment"
    with suppress(ValueError):
        proxy = URL(written or "")
        if proxy.host and proxy.port:
            return Proxy(url=proxy, source=source)
    return None


async def look(url: str, http: Http, proxy: Proxy | None) -> Peer | None:
    """The peer of a https `url`; `None` when no handshake came about."""
    target = URL(url)
    if target.scheme != "https" or not target.host or not target.port:
        return None
    try:
        async with asyncio.timeout(http.connect_timeout):
            way = proxy.url if proxy else None
            if way and http.proxy and http.proxy_password_file:
                way = way.with_password(await read_secret(http.proxy_password_file))
            # The proxy must be one that the client's requests would trust.
            trust = TrustStore(http.ca_file, lambda _: None)
            trusted = await trust.context() if way and way.scheme == "https" else None
            return await _handshake(target.host, target.port, way, trusted)
    except (OSError, TimeoutError, EOFError, ValueError, NetworkError, SecretFileError, asyncio.LimitOverrunError):
        return None


async def _handshake(host: str, port: int, proxy: URL | None, trusted: ssl.SSLContext | None) -> Peer | None:
    """`trusted` is the context for a proxy behind TLS."""
    if proxy is None:
        reader, writer = await asyncio.open_connection(host, port)
    else:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port, ssl=trusted, limit=MAX_HEAD)
    try:
        if proxy and not await _connected(reader, writer, f"{host}:{port}", proxy):
            return None
        await writer.start_tls(_anybody(), server_hostname=host)
        found: ssl.SSLObject = writer.get_extra_info("ssl_object")
        der = found.getpeercert(binary_form=True)
        return _peer(found.version() or "", load_der_x509_certificate(der)) if der else None
    finally:
        writer.transport.abort()


async def _connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str, proxy: URL) -> bool:
    """Whether the proxy opened the way."""
    user = f"{proxy.user}:{proxy.password or ''}".encode() if proxy.user else b""
    credentials = f"Proxy-Authorization: Basic {b64encode(user).decode()}\r\n" if user else ""
    writer.write(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{credentials}\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    return head.split(b" ")[1:2] == [b"200"]


def _anybody() -> ssl.SSLContext:
    """A context that trusts whoever answers: to see who that is, and for nothing else."""
    context = client_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _peer(version: str, certificate: Certificate) -> Peer:
    return Peer(
        tls=version,
        subject=_called(certificate.subject),
        issuer=_called(certificate.issuer),
        names=_names(certificate),
        not_before=certificate.not_valid_before_utc.astimezone(UTC),
        not_after=certificate.not_valid_after_utc.astimezone(UTC),
    )


def _called(name: Name) -> str:
    """Its common name, else its organization."""
    attributes = [
        *name.get_attributes_for_oid(NameOID.COMMON_NAME),
        *name.get_attributes_for_oid(NameOID.ORGANIZATION_NAME),
    ]
    return clean(str(attributes[0].value)) if attributes else "nobody"


def _names(certificate: Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    except (ExtensionNotFound, ValueError):
        return ()
    found = [*extension.get_values_for_type(DNSName), *map(str, extension.get_values_for_type(IPAddress))]
    return tuple(clean(name) for name in found[:MAX_NAMES])
