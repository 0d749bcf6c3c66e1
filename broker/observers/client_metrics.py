"""The metrics of each client: its keys, its authorization server's clock, and how long that takes to answer."""

import re
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry

from broker.core.events import ClockMeasured, KeyAccepted, KeyFellBack, KeyLoaded, KeyRefused, KeyRetired
from broker.observers.counts import Counts, Durations, Labels, Levels

REFRESH_BUCKETS: Final = (0.1, 0.5, 2.0, 10.0)
#: Characters of a key id that become a label; a key id is whatever somebody wrote into a file.
MAX_KID: Final = 64


class ClientMetrics:
    """Told by `Metrics` what concerns a client. Points in time are epoch seconds of the wall clock."""

    def __init__(self, clients: Iterable[str], registry: CollectorRegistry) -> None:
        names = sorted(clients)
        client = ("client",)
        self._refresh_duration = Durations(
            "token_broker_refresh_duration_seconds",
            "How long an attempt to fetch a token took, failed ones included.",
            client,
            buckets=REFRESH_BUCKETS,
            most=len(names),
            registry=registry,
        )
        self._key_info = Levels(
            "token_broker_key_info", "The key in use.", ("client", "kid", "algorithm"), registry=registry
        )
        self._key_reloads = Counts(
            "token_broker_key_reloads_total",
            "Key files read at start, on a change and on SIGHUP, by whether the key could be used.",
            ("client", "outcome"),
            most=2 * len(names),
            registry=registry,
        )
        self._key_loaded_at = Levels(
            "token_broker_key_load_timestamp_seconds",
            "When a key was last taken into use; 0 before.",
            client,
            registry=registry,
        )
        self._key_refused = Levels(
            "token_broker_key_refused",
            "Keys that cannot be used now, be it for their file or for the server; the one before stays in use.",
            client,
            registry=registry,
        )
        self._clock_offset = Levels(
            "token_broker_clock_offset_seconds",
            "The authorization server's clock minus ours, by its Date.",
            client,
            registry=registry,
        )
        self._certificate_end = Levels(
            "token_broker_certificate_expiration_timestamp_seconds",
            "When the first certificate of the keys in use expires.",
            client,
            registry=registry,
        )
        #: By client and file: the labels of its keys in use, of the newest one of these, when its certificate expires.
        self._keys: dict[tuple[str, str], set[Labels]] = {}
        self._newest: dict[tuple[str, str], Labels] = {}
        self._ends: dict[tuple[str, str], float] = {}
        self._refused_files = dict.fromkeys(names, frozenset[str]())
        #: Clients whose preferred key the server refuses.
        self._fallen_back: set[str] = set()
        for name in names:
            self._refresh_duration.begin((name,))
            self._key_loaded_at.set((name,), 0)
            self._key_refused.set((name,), 0)
            for outcome in ("success", "error"):
                self._key_reloads.add((name, outcome), 0)

    def attempted(self, client: str, seconds: float) -> None:
        """To fetch a token, with success or not."""
        self._refresh_duration.add((client,), seconds)

    def key_loaded(self, event: KeyLoaded, at: float) -> None:
        """A series for each key in use; the one of a replaced key stays until that is retired."""
        file, labels = (event.client, event.file), _labels(event)
        self._newest[file] = labels
        self._keys.setdefault(file, set()).add(labels)
        self._key_info.set(labels, 1)
        self._key_reloads.add((event.client, "success"))
        self._key_loaded_at.set((event.client,), at)
        if event.not_after is not None:
            self._ends[event.client, event.file] = event.not_after
            ends = (end for (client, _), end in self._ends.items() if client == event.client)
            self._certificate_end.set((event.client,), min(ends))
        self._refuse(event.client, self._refused_files[event.client] - {event.file})

    def key_retired(self, event: KeyRetired) -> None:
        """Its series goes, unless another key has the same labels, in this file or in another."""
        file, labels = (event.client, event.file), _labels(event)
        if labels != self._newest[file] and labels in self._keys[file]:
            self._keys[file].remove(labels)
            if not any(labels in keys for keys in self._keys.values()):
                self._key_info.remove(labels)

    def key_refused(self, event: KeyRefused) -> None:
        """What is wrong with a file stays so until a key is loaded from it."""
        self._key_reloads.add((event.client, "error"))
        self._refuse(event.client, self._refused_files[event.client] | {event.file})

    def key_judged(self, event: KeyAccepted | KeyFellBack) -> None:
        """By the server, to which a file can be good and the key in it unknown."""
        if isinstance(event, KeyFellBack):
            self._fallen_back.add(event.client)
        else:
            self._fallen_back.discard(event.client)
        self._refuse(event.client, self._refused_files[event.client])

    def _refuse(self, client: str, files: frozenset[str]) -> None:
        self._refused_files[client] = files
        self._key_refused.set((client,), len(files) + (client in self._fallen_back))

    def clock_measured(self, event: ClockMeasured) -> None:
        """How far the clocks are apart, whether assertions are corrected by it or not."""
        self._clock_offset.set((event.client,), event.offset)


def _labels(event: KeyLoaded | KeyRetired) -> Labels:
    kid = re.sub(r"[^\w.~:/+=@-]", "_", event.kid or "", flags=re.ASCII)[:MAX_KID]
    return event.client, kid, event.algorithm
