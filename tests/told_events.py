"""Events with everything filled in, for tests of those who are told them."""

from collections.abc import Iterator

from msgspec.structs import replace

from broker.admin.server import ROUTES as ADMIN_ROUTES
from broker.core.diagnosis import Diagnosis
from broker.core.errors import NetworkError, RefusalError
from broker.core.events import (
    ClockMeasured,
    ConfigChanged,
    Event,
    HandedOut,
    KeyLoaded,
    KeyRefused,
    Refreshed,
    RefreshFailed,
    Refused,
    Served,
)
from broker.core.settings import Assertion, ClientSettings, KeySettings, Settings, SinkSettings, TokenSettings
from broker.http_server.request_rules import REFUSALS
from broker.providers.diagnose import diagnose
from broker.workload_api.server import ROUTES as API_ROUTES

SIGNATURE = diagnose(RefusalError(401, "invalid_client", "The client_assertion signature is invalid."))
TIMEOUT = diagnose(NetworkError("timeout", "idp.example:443", "timed out"))
REFUSED_KEY = KeyRefused(client="okta", file="/key", detail="/key: is empty.", kept=True)


def settings(*tokens: str, clients: tuple[str, ...] = ("okta",), sinks: tuple[str, ...] = ()) -> Settings:
    """`tokens`, all of the first client and each with these `sinks`."""
    client = ClientSettings(
        client_id="id", private_keys=(KeySettings(file="/key"),), assertion=Assertion(audience="issuer")
    )
    files = tuple(SinkSettings(path=path) for path in sinks)
    return Settings(
        clients=dict.fromkeys(clients, client),
        tokens={name: TokenSettings(client=clients[0], sinks=files) for name in tokens},
    )


def refreshed(name: str = "users", *, now: float = 1000.0, lifetime: float = 3600.0) -> Refreshed:
    return Refreshed(
        token=name,
        client="okta",
        duration=0.25,
        expires_at=now + lifetime,
        lifetime=lifetime,
        lead=lifetime / 3,
        next_refresh_at=now + lifetime / 2,
    )


def failed(
    name: str = "users", *, diagnosis: Diagnosis = SIGNATURE, now: float = 1000.0, expires_at: float | None = None
) -> RefreshFailed:
    return RefreshFailed(
        token=name, client="okta", duration=0.1234, diagnosis=diagnosis, retry_at=now + 15, expires_at=expires_at
    )


def key_loaded(
    kid: str | None = "one",
    *,
    file: str = "/key",
    algorithm: str = "RS256",
    x5t: str | None = None,
    not_after: float | None = None,
) -> KeyLoaded:
    return KeyLoaded(
        client="okta", file=file, kid=kid, algorithm=algorithm, thumbprint="thumb", x5t=x5t, not_after=not_after
    )


def a_busy_week(*tokens: str) -> Iterator[Event]:
    """All that a pod may well meet: refreshes, failures, rotated and broken keys, callers of all sorts."""
    yield from (key_loaded("one"), REFUSED_KEY, key_loaded("two", not_after=1.8e9))
    yield from (ConfigChanged(file="/c.yaml", stale=True), ClockMeasured(client="okta", offset=3.0, used=True))
    for token in tokens:
        yield from (failed(token), failed(token, diagnosis=TIMEOUT), refreshed(token))
        yield from (failed(token, diagnosis=replace(SIGNATURE, reason=r)) for r in ("tls_failed", "clock"))
        yield HandedOut(token=token, caller="anonymous")
    for route in API_ROUTES:
        for code in (200, 403, 404, 503):
            yield Served(route=route, code=code, seconds=0.0003)
    for route in ADMIN_ROUTES:
        yield Served(route=route, code=200, seconds=None)
    yield from (Served(route=route, code=503, seconds=None) for route in ("/readyz", "/startupz"))
    yield from (Refused(reason=reason) for reason in REFUSALS)
