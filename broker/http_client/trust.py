"""TLS trust anchors: the system's store plus an optional CA file that may change at run time."""

import asyncio
import hashlib
import ssl
import threading
from functools import cache

from broker.core.errors import NetworkError
from broker.core.events import Observer, Warned
from broker.files import small_files

#: A bundle of all public authorities has about 250 KB.
MAX_BYTES = 4 << 20

_building = threading.Lock()


def client_context(further: bytes | None = None) -> ssl.SSLContext:
    """Build a TLS context for connections to a server; all client contexts are made here.

    It trusts the system's authorities (overridden by `SSL_CERT_FILE` and `SSL_CERT_DIR`) and those of the PEM bundle
    `further`. Host names match the subjectAltName only (RFC 9525 section 6.3). A context costs tens of milliseconds
    and about 1 MiB. Raises ssl.SSLError or ValueError for a bundle without a certificate.
    """
    context = ssl.create_default_context()
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(["http/1.1"])
    if further is not None:
        # Bundles carry comments in UTF-8; the certificates themselves are ASCII (RFC 7468).
        context.load_verify_locations(cadata=further.decode("ascii", "ignore"))
    return context


class TrustStore:
    """A TLS context that follows the content of `ca_file`.

    If a new version of the file is invalid, the previous context stays in use and one `Warned` event is emitted.
    Without a file, this is the system's context, which the whole process shares.
    """

    def __init__(self, ca_file: str | None, observe: Observer) -> None:
        self.ca_file = ca_file
        self.observe = observe
        self._digest = b""
        self._problem = ""
        self._context: ssl.SSLContext | None = None

    async def context(self) -> ssl.SSLContext:
        """Return the context for the next request. Raises NetworkError if no valid file has been read yet."""
        if self.ca_file is None:
            return await asyncio.to_thread(_system_context)
        return await self._following(self.ca_file)

    async def _following(self, ca_file: str) -> ssl.SSLContext:
        try:
            content = await small_files.read(ca_file, most=MAX_BYTES)
            digest = hashlib.sha256(content).digest()
            if self._context is None or digest != self._digest:
                # Building a context takes tens of milliseconds, too long for the event loop.
                self._context = await asyncio.to_thread(client_context, content)
                self._digest = digest
        except small_files.UnreadableError as error:
            return self._kept(f"ca_file {error}", error)
        except (ssl.SSLError, ValueError) as error:
            return self._kept(f"ca_file {ca_file} holds no PEM certificate that can be read", error)
        self._problem = ""
        return self._context

    def _kept(self, problem: str, cause: Exception) -> ssl.SSLContext:
        if self._context is None:
            raise NetworkError("ca_file", self.ca_file or "", problem) from cause
        if problem != self._problem:
            self._problem = problem
            self.observe(Warned(detail=f"{problem}; what was read before stays in use"))
        return self._context


def _system_context() -> ssl.SSLContext:
    with _building:  # clients start concurrently in threads; only the first builds the context
        return _shared()


@cache
def _shared() -> ssl.SSLContext:
    return client_context()
