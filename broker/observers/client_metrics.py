"""Metrics per client: keys, clock offset and duration of token requests."""

import re
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry

from broker.core.events import ClockMeasured, KeyAccepted, KeyFellBack, KeyLoaded, KeyRefused, KeyRetired
from broker.observers.counts import CounterFamily, GaugeFamily, HistogramFamily, Labels

REFRESH_BUCKETS: Final = (0.1, 0.5, 2.0, 10.0)
#: Longest `kid` label, in characters; a key file may contain a kid of any length.
MAX_KID: Final = 64


class ClientMetrics:
    """Updated by `Metrics` with events of clients. Timestamps are epoch seconds of the wall clock."""

    def __init__(self, clients: Iterable[str], registry: CollectorRegistry) -> None:
        names = sorted(clients)
        client = ("client",)
        self._refresh_duration = HistogramFamily(
            "token_broker_refresh_duration_seconds",
            "How long an attempt to fetch a token took, failed ones included.",
            client,
            buckets=REFRESH_BUCKETS,
            max_series=len(names),
            registry=registry,
        )
        self._key_info = GaugeFamily(
            "token_broker_key_info", "The key in use.", ("client", "kid", "algorithm"), registry=registry
        )
        self._key_reloads = CounterFamily(
            "token_broker_key_reloads_total",
            "Key files read at start, on a change and on SIGHUP, by whether the key could be used.",
            ("client", "outcome"),
            max_series=2 * len(names),
            registry=registry,
        )
        self._key_loaded_at = GaugeFamily(
            "token_broker_key_load_timestamp_seconds",
            "When a key was last taken into use; 0 before.",
            client,
            registry=registry,
        )
        self._key_refused = GaugeFamily(
            "token_broker_key_refused",
            "Keys that cannot be used now, be it for their file or for the server; the one before stays in use.",
            client,
            registry=registry,
        )
        self._clock_offset = GaugeFamily(
            "token_broker_clock_offset_seconds",
            "The authorization server's clock minus ours, by its Date.",
            client,
            registry=registry,
        )
        self._certificate_end = GaugeFamily(
            "token_broker_certificate_expiration_timestamp_seconds",
            "When the first certificate of the keys in use expires.",
            client,
            registry=registry,
        )
        #: By client and file: labels of the keys in use, labels of the newest one, expiry of its certificate.
        self._keys: dict[tuple[str, str], set[Labels]] = {}
        self._newest: dict[tuple[str, str], Labels] = {}
        self._certificate_ends: dict[tuple[str, str], float] = {}
        self._refused_files = dict.fromkeys(names, frozenset[str]())
        #: Clients whose preferred key the server rejects.
        self._fallen_back: set[str] = set()
        for name in names:
            self._refresh_duration.ensure((name,))
            self._key_loaded_at.set((name,), 0)
            self._key_refused.set((name,), 0)
            for outcome in ("success", "error"):
                self._key_reloads.add((name, outcome), 0)

    def count_attempt(self, client: str, seconds: float) -> None:
        """Count an attempt to fetch a token, successful or not, that took `seconds`."""
        self._refresh_duration.add((client,), seconds)

    def key_loaded(self, event: KeyLoaded, at: float) -> None:
        """Add the series of a key; the series of the key it replaces stays until that one is retired."""
        file, labels = (event.client, event.file), _labels(event)
        self._newest[file] = labels
        self._keys.setdefault(file, set()).add(labels)
        self._key_info.set(labels, 1)
        self._key_reloads.add((event.client, "success"))
        self._key_loaded_at.set((event.client,), at)
        if event.not_after is not None:
            self._certificate_ends[event.client, event.file] = event.not_after
            ends = (end for (client, _), end in self._certificate_ends.items() if client == event.client)
            self._certificate_end.set((event.client,), min(ends))
        self._set_refused(event.client, self._refused_files[event.client] - {event.file})

    def key_retired(self, event: KeyRetired) -> None:
        """Remove the series of a key, unless another key in use has the same labels."""
        file, labels = (event.client, event.file), _labels(event)
        if labels != self._newest[file] and labels in self._keys[file]:
            self._keys[file].remove(labels)
            if not any(labels in keys for keys in self._keys.values()):
                self._key_info.remove(labels)

    def key_refused(self, event: KeyRefused) -> None:
        """Count a file as refused until a key is loaded from it."""
        self._key_reloads.add((event.client, "error"))
        self._set_refused(event.client, self._refused_files[event.client] | {event.file})

    def key_accepted_or_rejected(self, event: KeyAccepted | KeyFellBack) -> None:
        """Record whether the server accepts the preferred key, which may be unknown to it though the file is valid."""
        if isinstance(event, KeyFellBack):
            self._fallen_back.add(event.client)
        else:
            self._fallen_back.discard(event.client)
        self._set_refused(event.client, self._refused_files[event.client])

    def _set_refused(self, client: str, files: frozenset[str]) -> None:
        self._refused_files[client] = files
        self._key_refused.set((client,), len(files) + (client in self._fallen_back))

    def clock_measured(self, event: ClockMeasured) -> None:
        """Set the clock offset, whether or not assertions are corrected by it."""
        self._clock_offset.set((event.client,), event.offset)


def _labels(event: KeyLoaded | KeyRetired) -> Labels:
    kid = re.sub(r"[^\w.~:/+=@-]", "_", event.kid or "", flags=re.ASCII)[:MAX_KID]
    return event.client, kid, event.algorithm
