"""Prometheus metrics from events. Names and labels are a stable contract, listed in docs/operations.md.

The number of series is bounded, since each one is multiplied by the number of pods and a histogram has one per bucket.
Timestamps are epoch seconds of the wall clock, like Prometheus' `time()`.
"""

import platform
from collections.abc import Callable, Collection, Mapping
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector

from broker import __version__
from broker.core.events import (
    ClockMeasured,
    ConfigChanged,
    Crashed,
    Event,
    HandedOut,
    KeyAccepted,
    KeyFellBack,
    KeyLoaded,
    KeyRefused,
    KeyRetired,
    Refreshed,
    RefreshFailed,
    Refused,
    Served,
    SinkFailed,
    SinkWritten,
)
from broker.core.settings import ANONYMOUS, Settings, TokenSettings
from broker.http_server.request_rules import REFUSALS
from broker.observers.client_metrics import ClientMetrics
from broker.observers.counts import CallbackCounter, CounterFamily, GaugeFamily, HistogramFamily

MAX_TIMED_ROUTES: Final = 2
#: Most pairs of route and code. With one token and one client there are at most 80 series: 12 of the token, 15 of the
#: client during key rotation, 10 of the process, one per refusal reason, 8 per timed route, and these.
MAX_CODES: Final = 80 - 12 - 15 - 10 - len(REFUSALS) - 8 * MAX_TIMED_ROUTES
MAX_REASONS_PER_TOKEN: Final = 5
#: Most pairs of token and caller, beyond one per token.
MAX_CALLERS: Final = 50
REQUEST_BUCKETS: Final = (0.0001, 0.001, 0.01, 0.1, 1.0)


class Metrics:
    """An observer that updates the metrics in `registry`."""

    def __init__(self, settings: Settings, *, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self._now = now
        self._wall = wall
        self.registry = CollectorRegistry()
        self._make_token_metrics(settings.tokens)
        self._clients = ClientMetrics(settings.clients, self.registry)
        self._make_request_metrics(settings.tokens, settings.api.callers)
        self._make_process_metrics()

    def _make_token_metrics(self, tokens: Mapping[str, TokenSettings]) -> None:
        timestamp = "token_broker_token_{}_timestamp_seconds"
        self._expiration = self._gauge(
            timestamp.format("expiration"),
            "When the token held last expires; 0 before the first. It keeps its value when the token has expired.",
            "token",
        )
        self._refreshed_at = self._gauge(
            timestamp.format("refresh"), "When the token was last replaced; 0 before the first.", "token"
        )
        self._next_refresh = self._gauge(
            timestamp.format("next_refresh"), "When the next attempt to replace the token is due.", "token"
        )
        self._lead = self._gauge(
            "token_broker_token_refresh_lead_seconds",
            "How long before its expiry the token should have been replaced at the latest.",
            "token",
        )
        self._refreshes = CounterFamily(
            "token_broker_refreshes_total",
            "Attempts to fetch a token.",
            ("token", "outcome"),
            max_series=2 * len(tokens),
            registry=self.registry,
        )
        self._errors = CounterFamily(
            "token_broker_refresh_errors_total",
            f"Failed attempts by reason; the {MAX_REASONS_PER_TOKEN} reasons seen last.",
            ("token", "reason"),
            max_series=MAX_REASONS_PER_TOKEN,
            group_by=1,
            registry=self.registry,
        )
        with_sinks = [name for name, token in tokens.items() if token.sinks]
        self._sink_writes = CounterFamily(
            "token_broker_sink_writes_total",
            "Files of tokens (sinks): written, or failed to be written or removed.",
            ("token", "outcome"),
            max_series=2 * len(with_sinks),
            registry=self.registry,
        )
        for name in with_sinks:
            for outcome in ("success", "error"):
                self._sink_writes.add((name, outcome), 0)
        for name in tokens:
            labels = (name,)
            for gauge in (self._expiration, self._refreshed_at, self._next_refresh, self._lead):
                gauge.set(labels, 0)
            for outcome in ("success", "error"):
                self._refreshes.add((name, outcome), 0)

    def _make_request_metrics(self, tokens: Mapping[str, TokenSettings], callers: Collection[str]) -> None:
        self._requests = CounterFamily(
            "token_broker_requests_total",
            f"Requests answered; the {MAX_CODES} pairs of route and code seen last.",
            ("route", "code"),
            max_series=MAX_CODES,
            registry=self.registry,
        )
        self._durations = HistogramFamily(
            "token_broker_request_duration_seconds",
            "How long requests for a token took, without those that asked to wait and those answered from memory.",
            ("route",),
            buckets=REQUEST_BUCKETS,
            max_series=MAX_TIMED_ROUTES,
            registry=self.registry,
        )
        self._handouts = CounterFamily(
            "token_broker_handouts_total",
            "Tokens handed out.",
            ("token", "caller"),
            max_series=len(tokens) + MAX_CALLERS,
            registry=self.registry,
        )
        for name, token in tokens.items():
            for caller in token.callers or (() if callers else (ANONYMOUS,)):
                self._handouts.add((name, caller), 0)
        self._refused = CounterFamily(
            "token_broker_requests_refused_total",
            "Requests and connections turned away.",
            ("reason",),
            max_series=len(REFUSALS),
            registry=self.registry,
        )

    def _make_process_metrics(self) -> None:
        self._config_stale = self._gauge(
            "token_broker_config_stale", "1 when the configuration file is no longer what the broker runs with."
        )
        self._config_stale.set((), 0)
        self.log_lines_dropped = CallbackCounter(
            "token_broker_log_lines_dropped_total",
            "Log lines dropped: the reader of standard output stalled, or it could not be written.",
            registry=self.registry,
        )
        build = self._gauge("token_broker_build_info", "The program.", "version", "python_version")
        build.set((__version__, platform.python_version()), 1)
        self._defects = CounterFamily(
            "token_broker_defects_total",
            "Unexpected exceptions, each of which cost an attempt, a request or the turn of a loop.",
            (),
            max_series=1,
            registry=self.registry,
        )
        self._defects.add((), 0)
        ProcessCollector(registry=self.registry)

    def _gauge(self, name: str, help_text: str, *labels: str) -> GaugeFamily:
        return GaugeFamily(name, help_text, labels, registry=self.registry)

    def __call__(self, event: Event) -> None:
        """Update the metrics for `event`. The most frequent events are matched first."""
        match event:
            case Served():
                self._on_served(event)
            case HandedOut():
                self._handouts.add((event.token, event.caller), event.times)
            case Refused():
                self._refused.add((event.reason,))
            case Refreshed():
                self._on_refreshed(event)
            case RefreshFailed():
                self._on_refresh_failed(event)
            case KeyLoaded() | KeyRefused() | KeyRetired() | KeyAccepted() | KeyFellBack() | ClockMeasured():
                self._on_client(event)
            case ConfigChanged():
                self._config_stale.set((), event.stale)
            case SinkWritten() | SinkFailed():
                self._sink_writes.add((event.token, "success" if isinstance(event, SinkWritten) else "error"))
            case Crashed():
                self._defects.add(())
            case _:
                pass

    def _on_client(
        self, event: KeyLoaded | KeyRefused | KeyRetired | KeyAccepted | KeyFellBack | ClockMeasured
    ) -> None:
        match event:
            case KeyLoaded():
                self._clients.key_loaded(event, self._wall())
            case KeyRefused():
                self._clients.key_refused(event)
            case KeyRetired():
                self._clients.key_retired(event)
            case KeyAccepted() | KeyFellBack():
                self._clients.key_accepted_or_rejected(event)
            case ClockMeasured():
                self._clients.clock_measured(event)

    def _on_served(self, event: Served) -> None:
        self._requests.add((event.route, str(event.code)), event.times)
        if event.seconds is not None:
            self._durations.add((event.route,), event.seconds)

    def _on_refreshed(self, event: Refreshed) -> None:
        token = (event.token,)
        self._refreshes.add((event.token, "success"))
        self._clients.count_attempt(event.client, event.duration)
        self._expiration.set(token, self._to_wall_clock(event.expires_at))
        self._refreshed_at.set(token, self._wall())
        self._next_refresh.set(token, self._to_wall_clock(event.next_refresh_at))
        self._lead.set(token, event.lead)

    def _on_refresh_failed(self, event: RefreshFailed) -> None:
        self._refreshes.add((event.token, "error"))
        self._errors.add((event.token, event.diagnosis.reason))
        self._defects.add((), event.diagnosis.reason == "defect")
        self._clients.count_attempt(event.client, event.duration)
        self._next_refresh.set((event.token,), self._to_wall_clock(event.retry_at))

    def _to_wall_clock(self, moment: float) -> float:
        return moment + self._wall() - self._now()
