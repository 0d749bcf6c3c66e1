"""Issuer -> token endpoint (RFC 8414, OpenID Connect Discovery), pinned.

A server that could name another's token endpoint as its own would be sent assertions meant for that other one
(CVE-2025-27370): so the document must name the configured issuer, byte for byte, and an endpoint on the issuer's host.
"""

import asyncio
import json
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from broker.errors import BrokerError, DiscoveryError, RefusalError
from broker.transport import Reply, Transport, is_loopback, retry_after

#: A document is read again after this many seconds, when a token is due anyway.
MAX_AGE = 86400.0


class Discovery:
    """One client's token endpoint: configured, or found through its issuer."""

    def __init__(
        self,
        *,
        issuer: str | None,
        token_endpoint: str | None,
        hosts: Collection[str],
        allow_http: bool,
        transport: Transport,
        now: Callable[[], float],
    ) -> None:
        self.issuer = issuer
        self.hosts = hosts
        self.allow_http = allow_http
        self.transport = transport
        self.now = now
        self._endpoint = token_endpoint
        self._fixed = token_endpoint is not None
        self._read_at = 0.0
        self._doubted = False
        self._reading = asyncio.Lock()

    async def token_endpoint(self) -> str:
        """The URL to post to. Raises BrokerError while there is none to trust."""
        async with self._reading:
            return await self._current()

    async def _current(self) -> str:
        if self._endpoint and (self._fixed or (not self._doubted and self.now() - self._read_at < MAX_AGE)):
            return self._endpoint
        try:
            found = await self._discover(self.issuer or "")
            self._stay_on_host(found)
        except BrokerError:
            # An endpoint that worked until now is better than none.
            if self._endpoint and not self._doubted:
                self._read_at = self.now()
                return self._endpoint
            raise
        self._endpoint, self._read_at, self._doubted = found, self.now(), False
        return found

    def doubt(self) -> None:
        """The endpoint answered as if it were none (404, 405): read the document again before the next request."""
        self._doubted = True

    def _stay_on_host(self, found: str) -> None:
        if self._endpoint and _host(found) != _host(self._endpoint):
            raise DiscoveryError(
                "moved",
                f"{self.issuer} now names a token endpoint on {_host(found)} instead of {_host(self._endpoint)};"
                " restart the broker if that is right",
            )

    async def _discover(self, issuer: str) -> str:
        urls = metadata_urls(issuer)
        problem = DiscoveryError("not_found", f"{issuer} has no metadata at {' or '.join(urls)}")
        for url in urls:
            reply = await self.transport.get(url)
            try:
                endpoint = parse_metadata(reply, issuer)
            except DiscoveryError as error:
                if error.fault == "issuer_mismatch":
                    raise
                if error.fault != "not_found":
                    problem = error
                continue
            self._check(endpoint)
            return endpoint
        raise problem

    def _check(self, endpoint: str) -> None:
        if not (endpoint.startswith("https://") or is_loopback(endpoint) or self.allow_http):
            raise DiscoveryError("insecure", f"{self.issuer} names the token endpoint {endpoint}, which is not https")
        if _host(endpoint) not in {_host(self.issuer or ""), *self.hosts}:
            msg = (
                f"{self.issuer} names a token endpoint on another host, {_host(endpoint)};"
                " write it as token_endpoint if that is right"
            )
            raise DiscoveryError("foreign_host", msg)


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where the document may be: RFC 8414 section 3.1 inserts before the path, OpenID Connect appends after it."""
    parts = urlsplit(issuer)
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{base}/.well-known/oauth-authorization-server{path}",
        f"{base}{path}/.well-known/openid-configuration",
    )


def parse_metadata(reply: Reply, issuer: str) -> str:
    """The token endpoint in a metadata answer (RFC 8414 sections 3.2 and 3.3).

    Raises DiscoveryError; RefusalError when the server is in trouble or limits us, which says nothing of the document.
    """
    if reply.status == 429 or reply.status >= 500:
        raise RefusalError(reply.status, "", "", retry_after(reply.headers))
    if reply.status != 200:
        raise DiscoveryError("not_found", f"the metadata request was answered {reply.status}")
    try:
        document = json.loads(reply.body)
    except (ValueError, RecursionError):
        document = None
    if reply.truncated or not isinstance(document, dict):
        raise DiscoveryError("not_json", f"the metadata of {issuer} is not a JSON object")
    if document.get("issuer") != issuer:
        named = document.get("issuer")
        shown = ascii(named[:200]) if isinstance(named, str) else "none"
        raise DiscoveryError(
            "issuer_mismatch",
            f"the metadata of {issuer} names the issuer {shown}; write issuer exactly as the server does",
        )
    endpoint = document.get("token_endpoint")
    if not isinstance(endpoint, str) or not _is_url(endpoint):
        raise DiscoveryError("no_token_endpoint", f"the metadata of {issuer} names no token_endpoint")
    return endpoint


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0 and text.isprintable()
    except ValueError:
        return False


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""
