"""How everything stands at one moment: what `html` and `text` write down. No secret is in it."""

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

#: Characters of a granted scope that are looked at: it has no bound of its own but that of the answer.
LONGEST_SCOPE = 1 << 14


class Standing(Enum):
    """How a token stands, in the order in which people want to see them."""

    MISSING = "missing"  # there never was one
    EXPIRED = "expired"
    FAILING = "good, refresh fails"
    STARTING = "starting"
    GOOD = "good"

    @property
    def absent(self) -> bool:
        """Whether workloads get a 503, and not only because the broker has just started."""
        return self in {Standing.MISSING, Standing.EXPIRED}


ORDER = {standing: place for place, standing in enumerate(Standing)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SinkStatus:
    """One file that holds a token: when it was last written, whether it was removed since, and why that fails now."""

    file: str
    written_at: float | None
    cleared: bool
    failure: str
    failed_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenStatus:
    """One token. Points in time are epoch seconds by the clock on the wall; `left` is never negative.

    `expires_at` and `lifetime` are of the token held, or of the last one that was. `window` is the time in which the
    moment of the refresh was drawn; its end is `lead` before the expiry. `granted` is the server's own words, whatever
    they are; `None` without a token.
    """

    name: str
    settings: TokenSettings
    standing: Standing
    code: str
    failure: Diagnosis | None
    failures: int
    failing_since: float | None
    expires_at: float | None
    lifetime: float
    left: float
    lead: float
    window: tuple[float, float] | None
    refreshed_at: float | None
    next_at: float | None
    granted: tuple[str, ...] | None
    handed_out: int
    handed_out_at: float | None
    sinks: tuple[SinkStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """One key file: what of it is in use since when, and what was refused when."""

    state: KeyState
    loaded_at: float | None
    refused_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientStatus:
    """One registration at an authorization server."""

    name: str
    settings: ClientSettings
    endpoint: str | None
    keys: tuple[KeyStatus, ...]
    clock: ClockMeasured | None
    measured_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything, with the tokens in trouble first. Points in time are epoch seconds by the clock on the wall."""

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
    """How things stand now."""
    now, wall = sources.now(), sources.wall()
    ahead, history = wall - now, sources.history
    verdict = sources.health.ready()
    tokens = [_token(sources, state, now, ahead) for state in verdict.tokens]
    return Snapshot(
        at=wall,
        started_at=history.started_at + ahead,
        host=sources.host,
        alive=sources.health.live().good,
        ready=verdict.good,
        tokens=tuple(sorted(tokens, key=lambda token: ORDER[token.standing])),
        clients=tuple(_client(sources, name, ahead) for name in sources.settings.clients),
        listening=dict(history.listening),
        config_stale=history.config_stale,
        warnings=tuple(history.warnings),
        crash=f"{history.crash.error} in {history.crash.where}" if history.crash else None,
    )


def _token(sources: Sources, state: TokenState, now: float, ahead: float) -> TokenStatus:
    settings, history = sources.settings.tokens[state.name], sources.history.tokens[state.name]
    held, last, failed = sources.store.get(state.name), history.refreshed, history.failed
    shown = held or last
    next_at = failed.retry_at if failed else last.next_refresh_at if last else None
    return TokenStatus(
        name=state.name,
        settings=settings,
        standing=_standing(state, held, last),
        code=state.code,
        failure=state.failure,
        failures=history.failures,
        failing_since=history.failing_since + ahead if failed else None,
        expires_at=shown.expires_at + ahead if shown else None,
        lifetime=shown.lifetime if shown else 0.0,
        left=max(0.0, held.expires_at - now) if held else 0.0,
        lead=lead(shown.lifetime, settings.refresh.ahead) if shown else 0.0,
        window=_window(held, settings, ahead) if held else None,
        refreshed_at=last.expires_at - last.lifetime + last.duration + ahead if last else None,
        next_at=next_at + ahead if next_at is not None else None,
        granted=_granted(held) if held else None,
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


def _granted(held: Token) -> tuple[str, ...]:
    """Not what holds the token itself, however that came there."""
    return tuple(scope for scope in held.scope[:LONGEST_SCOPE].split() if held.access_token not in scope)


def _standing(state: TokenState, held: Token | None, last: Refreshed | None) -> Standing:
    if held:
        return Standing.FAILING if state.failure else Standing.GOOD
    if last:
        return Standing.EXPIRED
    return Standing.STARTING if state.code == STARTING.reason else Standing.MISSING


def _window(held: Token, settings: TokenSettings, ahead: float) -> tuple[float, float]:
    """When the refresh of `held` may be due: the bounds of what was drawn from."""
    earliest, latest = (refresh_at(held, settings.refresh.ahead, draw) for draw in (1.0, 0.0))
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
