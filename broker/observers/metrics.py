"""Events -> Prometheus metrics. Names and labels are a contract, docs/operations.md lists them.

The number of series is bounded whatever happens: a histogram costs a series for each bucket, and a fleet pays for every
one in every pod. Points in time are epoch seconds of the wall clock, as Prometheus' own `time()`.
"""

import platform
import re
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, Generic, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, disable_created_metrics

from broker import __version__
from broker.events import (
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
from broker.observers.counts import Counts, Durations
from broker.settings import ANONYMOUS, Settings, TokenSettings

#: 80 series with one token and one client: 12 for the token, 14 for the client, 8 for the process, 11 reasons to
#: refuse a request, and what follows here: 19 pairs of route and code, two timed routes of 8.
MAX_CODES: Final = 19
MAX_TIMED_ROUTES: Final = 2
MAX_REASONS_PER_TOKEN: Final = 5
#: Pairs of token and caller beyond one for each token.
MAX_CALLERS: Final = 50
REQUEST_BUCKETS: Final = (0.0001, 0.001, 0.01, 0.1, 1.0)
REFRESH_BUCKETS: Final = (0.1, 0.5, 2.0, 10.0)
#: Characters of a key id that become a label; a key id is whatever somebody wrote into a file.
MAX_KID: Final = 64

Child = TypeVar("Child")


class Children(Generic[Child]):
    """The children of one family by their label values: kept, since looking them up costs more than counting.

    At most `most` of them: the one that was not used for longest makes room, and starts from 0 when it comes back.
    """

    def __init__(self, make: Callable[..., Child], remove: Callable[..., None], *, most: int) -> None:
        self._make = make
        self._remove = remove
        self._most = most
        self._children: OrderedDict[tuple[str, ...], Child] = OrderedDict()

    def __call__(self, *labels: str) -> Child:
        """The child of these label values."""
        if (child := self._children.get(labels)) is not None:
            self._children.move_to_end(labels)
            return child
        if len(self._children) == self._most:
            self._remove(*self._children.popitem(last=False)[0])
        child = self._children[labels] = self._make(*labels)
        return child


class Metrics:
    """An observer. `registry` is what a scrape shows."""

    def __init__(self, settings: Settings, *, now: Callable[[], float], wall: Callable[[], float]) -> None:
        self._now = now
        self._wall = wall
        self.registry = CollectorRegistry()
        # The birth of each counter as a further series: prometheus_client has this one switch for the whole process.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it is not annotated
        self._make_token_metrics(settings.tokens)
        self._make_client_metrics(settings.clients)
        self._make_request_metrics(settings.tokens, settings.api.callers)
        self._make_process_metrics()

    def _make_token_metrics(self, tokens: Iterable[str]) -> None:
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
        self._refreshes = self._counter(
            "token_broker_refreshes_total", "Attempts to fetch a token.", "token", "outcome"
        )
        errors = self._counter(
            "token_broker_refresh_errors_total",
            f"Failed attempts by reason; the {MAX_REASONS_PER_TOKEN} reasons seen last.",
            "token",
            "reason",
        )
        self._errors = {name: Children(errors.labels, errors.remove, most=MAX_REASONS_PER_TOKEN) for name in tokens}
        for name in tokens:
            for gauge in (self._expiration, self._refreshed_at, self._next_refresh, self._lead):
                gauge.labels(name)
            for outcome in ("success", "error"):
                self._refreshes.labels(name, outcome)

    def _make_client_metrics(self, clients: Iterable[str]) -> None:
        self._refresh_duration = Histogram(
            "token_broker_refresh_duration_seconds",
            "How long an attempt to fetch a token took, failed ones included.",
            ["client"],
            buckets=REFRESH_BUCKETS,
            registry=self.registry,
        )
        self._key_info = self._gauge("token_broker_key_info", "The key in use.", "client", "kid", "algorithm")
        self._keys: dict[tuple[str, str], tuple[str, str]] = {}
        self._key_reloads = self._counter(
            "token_broker_key_reloads_total",
            "Key files read at start, on a change and on SIGHUP, by whether the key could be used.",
            "client",
            "outcome",
        )
        self._key_loaded_at = self._gauge(
            "token_broker_key_load_timestamp_seconds", "When a key was last taken into use; 0 before.", "client"
        )
        self._key_refused = self._gauge(
            "token_broker_key_refused",
            "Key files that cannot be used now; what was loaded from them before stays in use.",
            "client",
        )
        self._refused_files = dict.fromkeys(clients, frozenset[str]())
        self._clock_offset = self._gauge(
            "token_broker_clock_offset_seconds", "The authorization server's clock minus ours, by its Date.", "client"
        )
        for name in clients:
            self._refresh_duration.labels(name)
            self._key_loaded_at.labels(name)
            self._key_refused.labels(name)
            for outcome in ("success", "error"):
                self._key_reloads.labels(name, outcome)

    def _make_request_metrics(self, tokens: Mapping[str, TokenSettings], callers: Collection[str]) -> None:
        self._requests = Counts(
            "token_broker_requests_total",
            f"Requests answered; the {MAX_CODES} pairs of route and code seen last.",
            ("route", "code"),
            most=MAX_CODES,
            registry=self.registry,
        )
        self._durations = Durations(
            "token_broker_request_duration_seconds",
            "How long requests for a token took, without those that asked to wait and those answered from memory.",
            "route",
            buckets=REQUEST_BUCKETS,
            most=MAX_TIMED_ROUTES,
            registry=self.registry,
        )
        self._handouts = Counts(
            "token_broker_handouts_total",
            "Tokens handed out.",
            ("token", "caller"),
            most=len(tokens) + MAX_CALLERS,
            registry=self.registry,
        )
        for name, token in tokens.items():
            for caller in token.callers or (() if callers else (ANONYMOUS,)):
                self._handouts(name, caller, times=0)
        self._refused = self._counter(
            "token_broker_requests_refused_total", "Requests and connections turned away.", "reason"
        )

    def _make_process_metrics(self) -> None:
        self._config_stale = self._gauge(
            "token_broker_config_stale", "1 when the configuration file is no longer what the broker runs with."
        )
        build = self._gauge("token_broker_build_info", "The program.", "version", "python_version")
        build.labels(__version__, platform.python_version()).set(1)
        ProcessCollector(registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def __call__(self, event: Event) -> None:
        """Count `event`. What happens for every request comes first."""
        match event:
            case Served():
                self._on_served(event)
            case HandedOut():
                self._handouts(event.token, event.caller, times=event.times)
            case Refused():
                self._refused.labels(event.reason).inc()
            case Refreshed():
                self._on_refreshed(event)
            case RefreshFailed():
                self._on_refresh_failed(event)
            case KeyLoaded():
                self._on_key_loaded(event)
            case KeyRefused():
                self._on_key_refused(event)
            case ClockMeasured():
                self._clock_offset.labels(event.client).set(event.offset)
            case ConfigChanged():
                self._config_stale.set(event.stale)
            case _:
                pass

    def _on_served(self, event: Served) -> None:
        self._requests(event.route, str(event.code), times=event.times)
        if event.seconds is not None:
            self._durations(event.route, event.seconds)

    def _on_refreshed(self, event: Refreshed) -> None:
        self._refreshes.labels(event.token, "success").inc()
        self._refresh_duration.labels(event.client).observe(event.duration)
        self._expiration.labels(event.token).set(self._on_wall(event.expires_at))
        self._refreshed_at.labels(event.token).set(self._wall())
        self._next_refresh.labels(event.token).set(self._on_wall(event.next_refresh_at))
        self._lead.labels(event.token).set(event.lead)

    def _on_refresh_failed(self, event: RefreshFailed) -> None:
        self._refreshes.labels(event.token, "error").inc()
        self._errors[event.token](event.token, event.diagnosis.reason).inc()
        self._refresh_duration.labels(event.client).observe(event.duration)
        self._next_refresh.labels(event.token).set(self._on_wall(event.retry_at))

    def _on_key_loaded(self, event: KeyLoaded) -> None:
        """One series for each key file; the replaced key's goes, unless another file still holds that key."""
        labels = re.sub(r"[^\w.~:/+=@-]", "_", event.kid or "", flags=re.ASCII)[:MAX_KID], event.algorithm
        replaced = self._keys.get((event.client, event.file))
        self._keys[event.client, event.file] = labels
        used = [key for (client, _), key in self._keys.items() if client == event.client]
        if replaced and replaced not in used:
            self._key_info.remove(event.client, *replaced)
        self._key_info.labels(event.client, *labels).set(1)
        self._key_reloads.labels(event.client, "success").inc()
        self._count_refused(event.client, self._refused_files[event.client] - {event.file})
        self._key_loaded_at.labels(event.client).set(self._wall())

    def _on_key_refused(self, event: KeyRefused) -> None:
        self._key_reloads.labels(event.client, "error").inc()
        self._count_refused(event.client, self._refused_files[event.client] | {event.file})

    def _count_refused(self, client: str, files: frozenset[str]) -> None:
        self._refused_files[client] = files
        self._key_refused.labels(client).set(len(files))

    def _on_wall(self, moment: float) -> float:
        return moment + self._wall() - self._now()
