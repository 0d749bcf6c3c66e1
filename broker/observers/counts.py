"""Metric families stored as plain numbers and converted for Prometheus when it scrapes.

A series of prometheus_client takes 0.6 KiB, and a lock and a microsecond per update; one here is a dictionary entry.
The families are not thread-safe, except for `CallbackCounter`. Label values are tuples in the order of the label names.
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


class CounterFamily(Collector):
    """A counter family with a bounded number of series; the least recently used one is evicted and restarts from 0.

    `max_series`: the bound, for the family or for each group.
    `group_by`: number of leading labels that define a group; 0 for one group.
    """

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Labels,
        *,
        max_series: int,
        group_by: int = 0,
        registry: CollectorRegistry,
    ) -> None:
        self._name = name
        self._help = help_text
        self._labels = labels
        self._max_series = max_series
        self._group_by = group_by
        # Ordered by last use; a plain dict takes less memory and time than an OrderedDict.
        self._counts: dict[Labels, int] = {}
        registry.register(self)

    def add(self, labels: Labels, times: int = 1) -> None:
        """Add `times` to the series."""
        count = self._counts.pop(labels, None)
        if count is None and len(self._counts) >= self._max_series:
            self._evict(labels[: self._group_by])
        self._counts[labels] = (count or 0) + times  # now the most recently used

    def _evict(self, first: Labels) -> None:
        group = [labels for labels in self._counts if labels[: self._group_by] == first]
        if len(group) >= self._max_series:
            del self._counts[group[0]]

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The family as Prometheus scrapes it."""
        family = CounterMetricFamily(self._name, self._help, labels=self._labels)
        for labels, count in sorted(self._counts.items()):
            family.add_metric(labels, count)
        yield family


class CallbackCounter(Collector):
    """A counter without labels whose value is kept elsewhere: each scrape calls `read`, which any thread may update."""

    def __init__(self, name: str, help_text: str, *, registry: CollectorRegistry) -> None:
        self._name = name
        self._help = help_text
        self.read: Callable[[], int] = lambda: 0
        registry.register(self)

    def collect(self) -> Iterator[CounterMetricFamily]:
        """The family as Prometheus scrapes it."""
        yield CounterMetricFamily(self._name, self._help, value=self.read())


class GaugeFamily(Collector):
    """A gauge family; a series exists from its first `set` until `remove`."""

    def __init__(self, name: str, help_text: str, labels: Labels, *, registry: CollectorRegistry) -> None:
        self._name = name
        self._help = help_text
        self._labels = labels
        self._values: dict[Labels, float] = {}
        registry.register(self)

    def set(self, labels: Labels, value: float) -> None:
        """Set the series to `value`."""
        self._values[labels] = value

    def remove(self, labels: Labels) -> None:
        """Remove the series. Raises KeyError if it does not exist."""
        del self._values[labels]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The family as Prometheus scrapes it."""
        family = GaugeMetricFamily(self._name, self._help, labels=self._labels)
        for labels, value in self._values.items():
            family.add_metric(labels, value)
        yield family


class HistogramFamily(Collector):
    """A histogram family of at most `max_series` series; the least recently used one is evicted."""

    def __init__(
        self,
        name: str,
        help_text: str,
        labels: Labels,
        *,
        buckets: Sequence[float],
        max_series: int,
        registry: CollectorRegistry,
    ) -> None:
        self._name = name
        self._help = help_text
        self._labels = labels
        self._buckets = tuple(buckets)
        self._max_series = max_series
        self._histograms: OrderedDict[Labels, _Histogram] = OrderedDict()
        registry.register(self)

    def ensure(self, labels: Labels) -> "_Histogram":
        """Return the series, created with zeros if it is new."""
        histogram = self._histograms.get(labels)
        if histogram is None:
            if len(self._histograms) == self._max_series:
                self._histograms.popitem(last=False)
            histogram = self._histograms[labels] = _Histogram(len(self._buckets) + 1)
        self._histograms.move_to_end(labels)
        return histogram

    def add(self, labels: Labels, seconds: float) -> None:
        """Observe one duration."""
        histogram = self.ensure(labels)
        histogram.counts[bisect_left(self._buckets, seconds)] += 1
        histogram.sum += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """The family as Prometheus scrapes it."""
        family = HistogramMetricFamily(self._name, self._help, labels=self._labels)
        bounds = [*map(floatToGoString, self._buckets), "+Inf"]
        for labels, histogram in sorted(self._histograms.items(), key=lambda series: series[0]):
            family.add_metric(labels, list(zip(bounds, accumulate(histogram.counts), strict=True)), histogram.sum)
        yield family


class _Histogram:
    """Observations per bucket, not cumulative, and their sum in seconds."""

    __slots__ = ("counts", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0
