"""Whom TLS trusts: the system's store and, beside it, one file that may change while we run."""

import asyncio
import hashlib
import ssl
from pathlib import Path

from broker.errors import NetworkError


class TrustStore:
    """A TLS context that follows the content of `ca_file`; a broken new file keeps the old one."""

    def __init__(self, ca_file: str) -> None:
        self.ca_file = ca_file
        self._digest = b""
        self._context: ssl.SSLContext | None = None

    async def context(self) -> ssl.SSLContext:
        """The context for the next request. Raises NetworkError while there never was a good file."""
        try:
            content = await asyncio.to_thread(Path(self.ca_file).read_bytes)
        except OSError as error:
            return self._kept(f"ca_file {self.ca_file} cannot be read: {error.strerror}", error)
        digest = hashlib.sha256(content).digest()
        if self._context is None or digest != self._digest:
            try:
                # Building a context costs tens of milliseconds: not on the loop.
                self._context = await asyncio.to_thread(_build, content)
            except (ssl.SSLError, ValueError) as error:
                return self._kept(f"ca_file {self.ca_file} holds no PEM certificate that can be read", error)
            self._digest = digest
        return self._context

    def _kept(self, problem: str, cause: Exception) -> ssl.SSLContext:
        if self._context is None:
            raise NetworkError("ca_file", self.ca_file, problem) from cause
        return self._context


def _build(content: bytes) -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=content.decode("ascii"))
    return context
