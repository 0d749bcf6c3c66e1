"""The state of the broker at one moment, as rendered by `html` and `text`. Contains no secret."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from broker.admin.health import TokenState
from broker.admin.status import Sources
from broker.admin.status.history import History, SinkHistory
from broker.core.diagnosis import Diagnosis
from broker.core.events import ClockMeasured, Refreshed
from broker.core.settings import ClientSettings, TokenSettings
from broker.core.tokens import Token
from broker.keys.watch import KeyState
from broker.providers.diagnose import STARTING
from broker.refresh.schedule import lead, refresh_at

#: Longest part of a granted scope to parse, in characters; the server's response alone bounds its length.
LONGEST_SCOPE = 1 << 14


class TokenStanding(Enum):
    """The state of a token, in display order."""

    MISSING = "missing"  # never fetched, and an attempt failed
    EXPIRED = "expired"
    FAILING = "good, refresh fails"
    STARTING = "starting"
    GOOD = "good"

    @property
    def absent(self) -> bool:
        """Whether workloads get a 503 for another reason than a fresh start."""
        return self in {TokenStanding.MISSING, TokenStanding.EXPIRED}


ORDER = {standing: place for place, standing in enumerate(TokenStanding)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkStatus:
    """One sink."""

    file: str
    written_at: float | None
    #: Whether the file has been removed since it was written.
    cleared: bool
    #: Error of the last write or removal, empty if it succeeded.
    failure: str
    failed_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStatus:
    """One token. Timestamps are wall-clock epoch seconds."""

    name: str
    settings: TokenSettings
    standing: TokenStanding
    code: str
    failure: Diagnosis | None
    failures: int
    failing_since: float | None
    #: Expiry of the current token, or of the last one.
    expires_at: float | None
    #: Lifetime of the same token, in seconds; 0 without one.
    lifetime: float
    #: Seconds until expiry, never negative.
    left: float
    #: Seconds before expiry at which a refresh is due at the latest.
    lead: float
    #: Earliest and latest time of the refresh, which is drawn at random in between.
    window: tuple[float, float] | None
    refreshed_at: float | None
    next_at: float | None
    #: Scopes as the server sent them, unchecked; `None` without a token.
    granted: tuple[str, ...] | None
    handed_out: int
    handed_out_at: float | None
    sinks: tuple[SinkStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """One key file, with the times of the last load and of the last refusal."""

    state: KeyState
    loaded_at: float | None
    refused_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStatus:
    """One OAuth client."""

    name: str
    settings: ClientSettings
    endpoint: str | None
    keys: tuple[KeyStatus, ...]
    clock: ClockMeasured | None
    measured_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The state of the broker; tokens are in order of `TokenStanding`. Timestamps are wall-clock epoch seconds."""

    at: float
    started_at: float
    host: str
    alive: bool
    ready: bool
    tokens: tuple[TokenStatus, ...]
    clients: tuple[ClientStatus, ...]
    listening: Mapping[str, tuple[str, ...]]
    config_stale: bool
    warnings: Sequence[str]
    crash: str | None


def take(sources: Sources) -> Snapshot:
    """Take a snapshot."""
    now, wall = sources.now(), sources.wall()
    ahead, history = wall - now, sources.history
    readiness = sources.health.ready()
    tokens = [_token(sources, state, now, ahead) for state in readiness.tokens]
    return Snapshot(
        at=wall,
        started_at=history.started_at + ahead,
        host=sources.host,
        alive=sources.health.live().passed,
        ready=readiness.passed,
        tokens=tuple(sorted(tokens, key=lambda token: ORDER[token.standing])),
        clients=tuple(_client(sources, name, ahead) for name in sources.settings.clients),
        listening=dict(history.listening),
        config_stale=history.config_stale,
        warnings=tuple(history.warnings),
        crash=f"{history.crash.error} in {history.crash.where}" if history.crash else None,
    )


def _token(sources: Sources, state: TokenState, now: float, ahead: float) -> TokenStatus:
    settings, history = sources.settings.tokens[state.name], sources.history.tokens[state.name]
    current, last, failed = sources.store.get(state.name), history.refreshed, history.failed
    shown = current or last
    next_at = failed.retry_at if failed else last.next_refresh_at if last else None
    return TokenStatus(
        name=state.name,
        settings=settings,
        standing=_standing(state, current, last),
        code=state.code,
        failure=state.failure,
        failures=history.failures,
        failing_since=history.failing_since + ahead if failed else None,
        expires_at=shown.expires_at + ahead if shown else None,
        lifetime=shown.lifetime if shown else 0.0,
        left=max(0.0, current.expires_at - now) if current else 0.0,
        lead=lead(shown.lifetime, settings.refresh.ahead) if shown else 0.0,
        window=_window(current, settings, ahead) if current else None,
        refreshed_at=last.expires_at - last.lifetime + last.duration + ahead if last else None,
        next_at=next_at + ahead if next_at is not None else None,
        granted=_granted(current) if current else None,
        handed_out=history.handed_out,
        handed_out_at=history.handed_out_at + ahead if history.handed_out else None,
        sinks=tuple(_sink(sources.history, state.name, sink.path, ahead) for sink in settings.sinks),
    )


def _sink(history: History, token: str, file: str, ahead: float) -> SinkStatus:
    known = history.sinks.get((token, file), SinkHistory())
    return SinkStatus(
        file=file,
        written_at=None if known.written_at is None else known.written_at + ahead,
        cleared=known.cleared,
        failure=known.failed.detail if known.failed else "",
        failed_at=known.failed_at + ahead if known.failed else None,
    )


def _granted(current: Token) -> tuple[str, ...]:
    """The granted scopes, without any that contains the token itself."""
    return tuple(scope for scope in current.scope[:LONGEST_SCOPE].split() if current.access_token not in scope)


def _standing(state: TokenState, current: Token | None, last: Refreshed | None) -> TokenStanding:
    if current:
        return TokenStanding.FAILING if state.failure else TokenStanding.GOOD
    if last:
        return TokenStanding.EXPIRED
    return TokenStanding.STARTING if state.code == STARTING.reason else TokenStanding.MISSING


def _window(current: Token, settings: TokenSettings, ahead: float) -> tuple[float, float]:
    """The earliest and latest time at which the refresh of `current` may be due."""
    earliest, latest = (refresh_at(current, settings.refresh.ahead, draw) for draw in (1.0, 0.0))
    return earliest + ahead, latest + ahead


def _client(sources: Sources, name: str, ahead: float) -> ClientStatus:
    history = sources.history

    def when(moments: Mapping[tuple[str, str], float], file: str) -> float | None:
        moment = moments.get((name, file))
        return None if moment is None else moment + ahead

    clock = history.clocks.get(name)
    return ClientStatus(
        name=name,
        settings=sources.settings.clients[name],
        endpoint=sources.endpoints[name](),
        keys=tuple(
            KeyStatus(
                state=state,
                loaded_at=when(history.keys_loaded, state.file) if state.signer else None,
                refused_at=when(history.keys_refused, state.file) if state.refusal else None,
            )
            for state in sources.keys[name]()
        ),
        clock=clock[0] if clock else None,
        measured_at=clock[1] + ahead if clock else None,
    )
