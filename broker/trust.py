"""Whom TLS trusts: the system's store and, beside it, one file that may change while we run."""

import asyncio
import functools
import hashlib
import ssl

from broker import small_files
from broker.errors import NetworkError
from broker.events import Observer, Warned

#: Bundles of every public authority there is have some 250 KB.
MAX_BYTES = 4 << 20


class TrustStore:
    """A TLS context that follows the content of `ca_file`; a broken new file keeps the old one, and is told once."""

    def __init__(self, ca_file: str, observe: Observer) -> None:
        self.ca_file = ca_file
        self.observe = observe
        self._digest = b""
        self._problem = ""
        self._context: ssl.SSLContext | None = None

    async def context(self) -> ssl.SSLContext:
        """The context for the next request. Raises NetworkError while there never was a good file."""
        try:
            content = await small_files.read(self.ca_file, most=MAX_BYTES)
            digest = hashlib.sha256(content).digest()
            if self._context is None or digest != self._digest:
                # Building a context costs tens of milliseconds: not on the loop.
                self._context = await asyncio.to_thread(_build, content)
                self._digest = digest
        except small_files.UnreadableError as error:
            return self._kept(f"ca_file {error}", error)
        except (ssl.SSLError, ValueError) as error:
            return self._kept(f"ca_file {self.ca_file} holds no PEM certificate that can be read", error)
        self._problem = ""
        return self._context

    def _kept(self, problem: str, cause: Exception) -> ssl.SSLContext:
        if self._context is None:
            raise NetworkError("ca_file", self.ca_file, problem) from cause
        if problem != self._problem:
            self._problem = problem
            self.observe(Warned(detail=f"{problem}; what was read before stays in use"))
        return self._context


@functools.cache
def system_context() -> ssl.SSLContext:
    """The context that trusts the system's store and nobody else, for all clients without a `ca_file`."""
    return new_context()


def new_context() -> ssl.SSLContext:
    """A client's context with the system's store. A host only in a certificate's Common Name is refused (RFC 9525)."""
    context = ssl.create_default_context()
    context.hostname_checks_common_name = False
    context.set_alpn_protocols(("http/1.1",))
    return context


def _build(content: bytes) -> ssl.SSLContext:
    context = new_context()
    # Bundles carry comments in UTF-8; the certificates themselves are ASCII (RFC 7468).
    context.load_verify_locations(cadata=content.decode("ascii", "ignore"))
    return context
