"""Families of metrics as plain numbers, shown to Prometheus when it scrapes.

A series of prometheus_client's own takes 0.6 KiB, a lock and a microsecond each time; one here takes a place in a
dictionary. All but `Reading` is touched by the event loop's thread alone. Label values come as a tuple, in the order of
the label names; who counts for several families under the same ones may share it.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import TypeAlias

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

Labels: TypeAlias = tuple[str, ...]


class Counts(Collector):
    """A counter family of at most `most` series; with `within`, of as many for each value of its first labels.

    `within` is the number of those labels. The series that was not used for longest makes room, and starts from 0 when
    it comes back.
    """

    def __init__(
        self, name: str, text: str, labels: Labels, *, most: int, within: int = 0, registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._most = most
        self._within = within
        # In the order in which they were used: a plain dict takes less than an OrderedDict, of memory and of time.
        self._counts: dict[Labels, int] = {}
        registry.register(self)

    def add(self, labels: Labels, times: int = 1) -> None:
        """Count `times` more of the series."""
        count = self._counts.pop(labels, None)
        if count is None and len(self._counts) >= self._most:
            self._make_room(labels[: self._within])
        self._counts[labels] = (count or 0) + times  # the last one now

    def _make_room(self, first: Labels) -> None:
        alike = [labels for labels in self._counts if labels[: self._within] == first]
        if len(alike) >= self._most:
            del self._counts[alike[0]]

    def collect(self) -> Iterator[CounterMetricFamily]:
        """What a scrape shows."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, count in sorted(self._counts.items()):
            family.add_metric(labels, count)
        yield family


class Reading(Collector):
    """A counter without labels that is kept elsewhere, by any thread: each scrape calls `read`."""

    def __init__(self, name: str, text: str, *, registry: CollectorRegistry) -> None:
        self._name = name
        self._text = text
        self.read: Callable[[], int] = lambda: 0
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """What a scrape shows."""
        yield CounterMetricFamily(self._name, self._text, value=self.read())


class Levels(Collector):
    """A gauge family; a series is there from when it was first set until it is removed."""

    def __init__(self, name: str, text: str, labels: Labels, *, registry: CollectorRegistry) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._levels: dict[Labels, float] = {}
        registry.register(self)

    def set(self, labels: Labels, level: float) -> None:
        """The series is at `level` now."""
        self._levels[labels] = level

    def remove(self, labels: Labels) -> None:
        """Show the series no longer."""
        del self._levels[labels]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What a scrape shows."""
        family = GaugeMetricFamily(self._name, self._text, labels=self._labels)
        for labels, level in self._levels.items():
            family.add_metric(labels, level)
        yield family


class Durations(Collector):
    """A histogram family of at most `most` series; as with `Counts`, the ones used last stay."""

    def __init__(
        self,
        name: str,
        text: str,
        labels: Labels,
        *,
        buckets: Sequence[float],
        most: int,
        registry: CollectorRegistry,
    ) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._buckets = tuple(buckets)
        self._most = most
        self._seen: OrderedDict[Labels, _Seen] = OrderedDict()
        registry.register(self)

    def begin(self, labels: Labels) -> "_Seen":
        """Have the series there, from 0 if it is new."""
        seen = self._seen.get(labels)
        if seen is None:
            if len(self._seen) == self._most:
                self._seen.popitem(last=False)
            seen = self._seen[labels] = _Seen(len(self._buckets) + 1)
        self._seen.move_to_end(labels)
        return seen

    def add(self, labels: Labels, seconds: float) -> None:
        """Note one duration of the series."""
        seen = self.begin(labels)
        seen.counts[bisect_left(self._buckets, seconds)] += 1
        seen.sum += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What a scrape shows."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        bounds = [*map(floatToGoString, self._buckets), "+Inf"]
        for labels, seen in sorted(self._seen.items(), key=lambda series: series[0]):
            family.add_metric(labels, list(zip(bounds, accumulate(seen.counts), strict=True)), seen.sum)
        yield family


class _Seen:
    """How many durations fell into each bucket, and how long they were together."""

    __slots__ = ("counts", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0
