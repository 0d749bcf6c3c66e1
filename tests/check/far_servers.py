"""Servers behind TLS, behind a proxy, and a captive portal; the development server speaks plain http only."""

import asyncio
import datetime as dt
import ipaddress
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from raw_server import RawServer, Script, answers, http, raw_server

DAY = dt.timedelta(days=1)
TOKEN = {"access_token": "granted-by-the-far-server", "token_type": "Bearer", "expires_in": 3600}


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


@dataclass(frozen=True)
class Authority:
    """Issues certificates; its own is in `file`."""

    folder: Path
    name: str = "Acme Root CA"

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(_name(self.name))
            .issuer_name(_name(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 900 * DAY)
            .not_valid_after(now + 900 * DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        object.__setattr__(self, "_key", key)

    @property
    def file(self) -> Path:
        return self.folder / "authority.pem"

    def context(
        self,
        host: str = "127.0.0.1",
        *,
        start: dt.timedelta = -DAY,
        end: dt.timedelta = 90 * DAY,
        common_name_only: bool = False,
    ) -> ssl.SSLContext:
        """A server's, with a certificate for `host`, valid from and to these distances from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(dt.UTC)
        try:
            subject: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(host))
        except ValueError:
            subject = x509.DNSName(host)
        authority = self._key  # type: ignore[attr-defined]  # set in __post_init__
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(host))
            .issuer_name(_name(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + start)
            .not_valid_after(now + end)
        )
        if not common_name_only:
            builder = builder.add_extension(x509.SubjectAlternativeName([subject]), critical=False)
        made = builder.sign(authority, hashes.SHA256())
        file, key_file = self.folder / "server.pem", self.folder / "server-key.pem"
        file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(file, key_file)
        return context


@asynccontextmanager
async def authorization_server(tls: ssl.SSLContext, host: str = "127.0.0.1") -> AsyncIterator[RawServer]:
    """Metadata, and a token for whoever asks, at https://HOST:PORT."""

    async def script(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        issuer = f"https://{host}:{server.port}"
        posted = server.requests[-1].startswith(b"POST")
        body = TOKEN if posted else {"issuer": issuer, "token_endpoint": f"{issuer}/token"}
        writer.write(http(json.dumps(body).encode(), headers="Content-Type: application/json\r\n"))

    async with raw_server(script, tls=tls) as server:
        yield server


def tunnel(port: int) -> Script:
    """What an HTTP proxy does after CONNECT; everything ends at `port`."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
            try:
                while data := await source.read(1 << 16):
                    sink.write(data)
            finally:
                sink.close()

        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer), return_exceptions=True)

    return script


@asynccontextmanager
async def nameless_server(folder: Path) -> AsyncIterator[RawServer]:
    """Its certificate says nothing of whose it is, not even a name."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = dt.datetime.now(dt.UTC)
    nobody = x509.Name([])
    made = (
        x509.CertificateBuilder()
        .subject_name(nobody)
        .issuer_name(nobody)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + DAY)
        .sign(key, hashes.SHA256())
    )
    file = folder / "nameless.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(file)
    async with raw_server(answers(b""), tls=context) as server:
        yield server


def page(title: str) -> bytes:
    """What a captive portal answers to anything."""
    return http(f"<html><title>{title}</title></html>".encode(), headers="Content-Type: text/html; charset=utf-8\r\n")
