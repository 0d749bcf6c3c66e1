"""Issuer -> token endpoint (RFC 8414, OpenID Connect Discovery), pinned.

A server that could name another's token endpoint as its own would be sent assertions meant for that other one
(CVE-2025-27370): so the document must name the configured issuer, byte for byte, and an endpoint on the issuer's host.
"""

import asyncio
from collections.abc import Callable, Collection
from urllib.parse import urlsplit

from broker.core.errors import BrokerError, DiscoveryError, RefusalError
from broker.core.events import Observer, Warned
from broker.core.urls import host_of, is_loopback, is_usable, origin_of
from broker.http_client.server_json import read_object
from broker.http_client.transport import Reply, Transport, retry_after

#: A document is read again after this many seconds, when a token is due anyway.
MAX_AGE = 86400.0


class Discovery:
    """One client's token endpoint: configured, or found through its issuer.

    `hosts` are those an endpoint may have besides the issuer's.
    """

    def __init__(
        self,
        *,
        issuer: str | None,
        token_endpoint: str | None,
        hosts: Collection[str],
        allow_http: bool,
        transport: Transport,
        now: Callable[[], float],
        observe: Observer,
    ) -> None:
        self.issuer = issuer
        self.hosts = hosts
        self.allow_http = allow_http
        self.transport = transport
        self.now = now
        self.observe = observe
        self._endpoint = token_endpoint
        self._fixed = token_endpoint is not None
        self._read_at = 0.0
        self._doubted = False
        self._reading = asyncio.Lock()
        self._readings = 0
        self._failure: BrokerError | None = None
        self._told = ""

    @property
    def known(self) -> str | None:
        """The token endpoint in use, without asking for it; `None` until it was found."""
        return self._endpoint

    async def token_endpoint(self) -> str:
        """The URL to post to. Raises BrokerError while there is none to trust.

        Many tokens ask at once: whoever waited while another read the document shares what came of it, failure too.
        """
        readings = self._readings
        async with self._reading:
            if self._endpoint and (self._fixed or (not self._doubted and self.now() - self._read_at < MAX_AGE)):
                return self._endpoint
            if self._failure is None or self._readings == readings:
                await self._read()
            if self._failure is not None:
                raise self._failure
            assert self._endpoint is not None  # noqa: S101 - no failure means that one was found
            return self._endpoint

    def doubt(self) -> None:
        """The endpoint answered as if it were none (404, 405): read the document again before the next request."""
        self._doubted = True

    async def _read(self) -> None:
        self._failure = None
        try:
            self._endpoint, self._doubted = await self._discover(self.issuer or ""), False
        except BrokerError as error:
            # An endpoint that worked until now is better than none.
            if self._endpoint is None or self._doubted:
                self._failure = error
            else:
                self._tell(f"{error}; the token endpoint found before stays in use")
        self._read_at = self.now()
        self._readings += 1

    def _tell(self, detail: str) -> None:
        if detail != self._told:
            self._told = detail
            self.observe(Warned(detail=detail))

    async def _discover(self, issuer: str) -> str:
        urls = metadata_urls(issuer)
        problem: BrokerError = DiscoveryError("not_found", f"{issuer} has no metadata at {' or '.join(urls)}")
        for url in urls:
            reply = await self.transport.get(url)
            try:
                endpoint = parse_metadata(reply, issuer)
            except (DiscoveryError, RefusalError) as error:
                if isinstance(error, RefusalError) and error.status == 429:
                    raise
                if isinstance(error, DiscoveryError) and error.fault == "issuer_mismatch":
                    raise
                if isinstance(error, RefusalError) or error.fault != "not_found":
                    problem = error
                continue
            permit(endpoint, issuer=issuer, hosts=self.hosts, allow_http=self.allow_http, pinned=self._endpoint)
            return endpoint
        raise problem


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where the document may be: RFC 8414 section 3.1 inserts before the path, OpenID Connect appends after it."""
    parts = urlsplit(issuer)
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return (
        f"{base}/.well-known/oauth-authorization-server{path}",
        f"{base}{path}/.well-known/openid-configuration",
    )


def permit(endpoint: str, *, issuer: str, hosts: Collection[str], allow_http: bool, pinned: str | None) -> None:
    """Raises DiscoveryError unless assertions may go to `endpoint`, which the metadata of `issuer` names.

    `pinned` is the endpoint in use: its scheme, host and port never change while the broker runs.
    """
    host = host_of(endpoint)
    if not (endpoint.startswith("https://") or is_loopback(endpoint) or allow_http):
        raise DiscoveryError("insecure", f"{issuer} names the token endpoint {endpoint}, which is not https")
    if host not in {host_of(issuer), *hosts}:
        raise DiscoveryError(
            "foreign_host",
            f"{issuer} names a token endpoint on another host, {host}; write it as token_endpoint if that is right",
        )
    if pinned and origin_of(endpoint) != origin_of(pinned):
        raise DiscoveryError(
            "moved",
            f"{issuer} now names a token endpoint at {origin_of(endpoint)} instead of {origin_of(pinned)};"
            " restart the broker if that is right",
        )


def parse_metadata(reply: Reply, issuer: str) -> str:
    """The token endpoint in a metadata answer (RFC 8414 sections 3.2 and 3.3).

    Raises DiscoveryError; RefusalError when the server is in trouble or limits us, which says nothing of the document.
    """
    if reply.status == 429 or reply.status >= 500:
        raise RefusalError(reply.status, "", "", retry_after(reply))
    if reply.status != 200:
        raise DiscoveryError("not_found", f"the metadata request was answered {reply.status}")
    document = read_object(reply.body)
    if reply.truncated or document is None:
        raise DiscoveryError("not_json", f"the metadata of {issuer} is not a JSON object")
    if document.get("issuer") != issuer:
        named = document.get("issuer")
        shown = ascii(named[:200]) if isinstance(named, str) else "none"
        raise DiscoveryError(
            "issuer_mismatch",
            f"the metadata of {issuer} names the issuer {shown}; write issuer exactly as the server does",
        )
    endpoint = document.get("token_endpoint")
    if not isinstance(endpoint, str) or not is_usable(endpoint):
        raise DiscoveryError("no_token_endpoint", f"the metadata of {issuer} names no token_endpoint")
    return endpoint
