"""Outgoing HTTP client: one request, one bounded response; no redirects, cookies, netrc or retries."""

import os
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from broker import __version__
from broker.core.errors import NetworkError, ReplyError
from broker.core.events import Observer
from broker.core.http_date import date_of, http_date
from broker.core.settings import Http
from broker.core.urls import is_loopback
from broker.files.secret_files import read_secret
from broker.http_client.proxies import from_environment
from broker.http_client.trust import TrustStore

MAX_ANSWER = 1 << 20
#: Limits on a response head, in bytes a line and in fields; larger than those of our own listeners.
MAX_LINE = 32 << 10
MAX_FIELDS = 128
#: Upper bound for `Retry-After`, in seconds.
MAX_WAIT = 86400.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
NOTHING: Mapping[str, str] = MappingProxyType({})
#: OpenSSL's reasons for a response that is not TLS; which one depends on the bytes and on its version.
NOT_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A response as received, not yet validated."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    #: Boot-time clock, in seconds.
    sent_at: float
    #: Boot-time clock, in seconds.
    received_at: float
    #: Received over TLS or loopback, so that its `Date` can be trusted.
    authentic: bool
    #: The body exceeded `MAX_ANSWER` bytes and was cut there.
    truncated: bool = False


class Transport:
    """Send requests to one client's authorization server, according to its `http` settings."""

    def __init__(self, http: Http, *, now: Callable[[], float], observe: Observer) -> None:
        self.http = http
        self.now = now
        self.trust = TrustStore(http.ca_file, observe)
        self._session: aiohttp.ClientSession | None = None

    async def get(self, url: str) -> Reply:
        """GET `url`. Raises NetworkError, or ReplyError if the response head is too large."""
        return await self._request("GET", url, None)

    async def post(
        self, url: str, form: Mapping[str, str] | list[tuple[str, str]], headers: Mapping[str, str] = NOTHING
    ) -> Reply:
        """POST `form`, urlencoded, with additional `headers`. Raises as `get` does."""
        return await self._request("POST", url, urlencode(form).encode(), headers)

    async def close(self) -> None:
        """Close the session, if one was opened."""
        if self._session:
            await self._session.close()

    async def _request(self, method: str, url: str, data: bytes | None, further: Mapping[str, str] = NOTHING) -> Reply:
        where = _where(URL(url))
        proxy = await self._proxy(URL(url))
        # `True` selects aiohttp's own context, which may have no trust anchors (`broker.cli.quick_imports`).
        context = await self.trust.context() if _over_tls(URL(url), proxy) else True
        sent_at = self.now()
        try:
            async with self._open().request(
                method,
                url,
                data=data,
                headers=FORM | dict(further) if data is not None else None,
                ssl=context,
                proxy=proxy,
                allow_redirects=False,
            ) as answer:
                body, truncated = await _read(answer)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            if proxy and _is_from_proxy(error, proxy):
                where = proxy_named(proxy)
            raise _translate(error, where, self.http) from error
        return Reply(
            status=answer.status,
            headers=answer.headers,
            body=body,
            sent_at=sent_at,
            received_at=self.now(),
            authentic=url.startswith("https:") or is_loopback(url),
            truncated=truncated,
        )

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # At about one request an hour, a kept-alive connection is usually dead by the next one.
                connector=aiohttp.TCPConnector(force_close=True, limit=0),
                cookie_jar=aiohttp.DummyCookieJar(),
                # trust_env would also read netrc and add a Basic header: a second client credential.
                trust_env=False,
                max_line_size=MAX_LINE,
                max_field_size=MAX_LINE,
                max_headers=MAX_FIELDS,
                timeout=aiohttp.ClientTimeout(total=self.http.timeout, connect=self.http.connect_timeout),
                headers={
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                    "User-Agent": f"token-broker/{__version__}",
                },
            )
        return self._session

    async def _proxy(self, url: URL) -> URL | None:
        written, password_file = self.http.proxy, self.http.proxy_password_file
        if written == "none":
            return None
        found = written or from_environment(url)
        if not found:
            return None
        proxy = _proxy_url(found)
        if proxy is None:
            # Leave the value out: it may contain a password.
            which = "http.proxy" if written else f"{url.scheme.upper()}_PROXY"
            raise NetworkError("proxy", which, f"{which} is not the URL of an http proxy")
        return proxy.with_password(await read_secret(password_file)) if written and password_file else proxy


def retry_after(reply: Reply) -> float | None:
    """Return the seconds to wait before the next request, at most `MAX_WAIT`; `None` if the server names no delay.

    Read from `Retry-After` (RFC 9110 section 10.2.3) or, for status 429 only, from the rate-limit reset that Okta and
    Auth0 send with every response. Absolute times are relative to the server's own `Date` and ignored without it.
    """
    text = reply.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+", text):
        return min(float(text), MAX_WAIT)
    moment = http_date(text)
    for name in ("X-Rate-Limit-Reset", "X-RateLimit-Reset") if reply.status == 429 else ():
        if moment is None and re.fullmatch(r"[0-9]+", reset := reply.headers.get(name, "").strip()):
            moment = float(reset)
    date = date_of(reply.headers)
    return None if moment is None or date is None else min(max(0.0, moment - date), MAX_WAIT)


def proxy_named(proxy: URL) -> str:
    """Return the name of `proxy` in the text of a `NetworkError`."""
    return f"the proxy {_where(proxy)}"


def _where(url: URL) -> str:
    return f"{url.host}:{url.port}"


def _over_tls(*hops: URL | None) -> bool:
    return any(hop is not None and hop.scheme == "https" for hop in hops)


def _is_from_proxy(error: Exception, proxy: URL) -> bool:
    """Whether `error` happened between us and the proxy, not beyond it."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return (error.host, error.port) == (proxy.raw_host, proxy.port)
    if isinstance(error, UnicodeError):
        return not _can_be_looked_up(proxy.raw_host or "")
    return isinstance(error, aiohttp.ClientConnectorDNSError)  # the proxy resolves the target's name


def _can_be_looked_up(host: str) -> bool:
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _proxy_url(text: str) -> URL | None:
    try:
        url = URL(text)
    except ValueError:
        return None
    return url if url.scheme in {"http", "https"} and url.host else None


async def _read(answer: aiohttp.ClientResponse) -> tuple[bytes, bool]:
    body = bytearray()
    async for part in answer.content.iter_chunked(1 << 16):
        body += part
        if len(body) > MAX_ANSWER:
            return bytes(body[:MAX_ANSWER]), True
    return bytes(body), False


def _translate(error: Exception, where: str, http: Http) -> NetworkError | ReplyError:  # noqa: C901, PLR0911, PLR0912 - a table
    """Map an aiohttp error to ours, with the operating system's words and without a URL."""
    match error:
        case aiohttp.ClientConnectorDNSError():
            return NetworkError("dns", where, _words(error.os_error))
        case aiohttp.ClientProxyConnectionError():
            return NetworkError("proxy", where, f"the proxy cannot be reached: {_words(error.os_error)}")
        case aiohttp.ClientHttpProxyError():
            return NetworkError("proxy", where, f"the proxy answered {error.status}")
        case aiohttp.ClientConnectorCertificateError():
            return NetworkError("tls", where, _words(error.certificate_error))
        case aiohttp.ClientConnectorSSLError() | ssl.SSLError():
            return NetworkError("tls", where, _words(getattr(error, "os_error", error)))
        case aiohttp.ConnectionTimeoutError():
            return NetworkError("timeout", where, f"no connection within {http.connect_timeout:g} s")
        case TimeoutError():
            return NetworkError("timeout", where, f"no complete answer within {http.timeout:g} s")
        case aiohttp.ClientConnectorError():
            return NetworkError("connect", where, _words(error.os_error))
        case aiohttp.ClientResponseError(message=message) if message.startswith(("Got more than", "Too many headers")):
            detail = f"the answer's head has a line of more than {MAX_LINE >> 10} KiB, or more than {MAX_FIELDS} fields"
            return ReplyError("head_too_big", detail)
        case aiohttp.ClientResponseError():
            return NetworkError("disconnected", where, "what came back is not HTTP, or not in an encoding we asked for")
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientOSError() | OSError():
            return NetworkError("disconnected", where, "the connection was closed before the answer was complete")
        case ValueError():
            # getaddrinfo and ssl encode names first; a label has 1 to 63 octets (RFC 1035 section 2.3.4).
            return NetworkError("dns", where, "a part of the name is empty or longer than 63 characters")
        case _:
            return NetworkError("disconnected", where, "the answer broke off, or its encoding is broken")


def _words(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, ssl.SSLError):
        return "the port does not speak TLS" if error.reason in NOT_TLS else error.reason or "TLS handshake failed"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        # asyncio adds the address to `strerror`, which `where` already has.
        return os.strerror(error.errno)
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
