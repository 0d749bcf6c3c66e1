"""Families that are counted for every request: plain numbers, shown to Prometheus when it scrapes.

A child of prometheus_client's own costs a lock and some microseconds each time; a dictionary costs neither, and all
of this is touched by the event loop's thread alone.
"""

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from itertools import accumulate

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString


class Counts(Collector):
    """A counter family of at most `most` series, as `collect` names them.

    The one that was not used for longest makes room, and starts from 0 when it comes back.
    """

    def __init__(self, name: str, text: str, labels: Sequence[str], *, most: int, registry: CollectorRegistry) -> None:
        self._name = name
        self._text = text
        self._labels = labels
        self._most = most
        self._counts: OrderedDict[tuple[str, ...], int] = OrderedDict()
        registry.register(self)

    def __call__(self, *labels: str, times: int = 1) -> None:
        """Count `times` more of the series with these label values."""
        counts = self._counts
        if labels in counts:
            counts[labels] += times
            counts.move_to_end(labels)
            return
        if len(counts) == self._most:
            counts.popitem(last=False)
        counts[labels] = times

    def collect(self) -> Iterator[CounterMetricFamily]:
        """What a scrape shows."""
        family = CounterMetricFamily(self._name, self._text, labels=self._labels)
        for labels, count in sorted(self._counts.items()):
            family.add_metric(labels, count)
        yield family


class Durations(Collector):
    """A histogram family with one label and at most `most` series; as with `Counts`, the one seen last stay."""

    def __init__(
        self, name: str, text: str, label: str, *, buckets: Sequence[float], most: int, registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._text = text
        self._label = label
        self._buckets = tuple(buckets)
        self._most = most
        self._seen: OrderedDict[str, _Seen] = OrderedDict()
        registry.register(self)

    def __call__(self, value: str, seconds: float) -> None:
        """Note one duration of the series with this label value."""
        seen = self._seen.get(value)
        if seen is None:
            if len(self._seen) == self._most:
                self._seen.popitem(last=False)
            seen = self._seen[value] = _Seen(len(self._buckets) + 1)
        self._seen.move_to_end(value)
        seen.counts[bisect_left(self._buckets, seconds)] += 1
        seen.sum += seconds

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """What a scrape shows."""
        family = HistogramMetricFamily(self._name, self._text, labels=[self._label])
        bounds = [*map(floatToGoString, self._buckets), "+Inf"]
        for value in sorted(self._seen):
            seen = self._seen[value]
            family.add_metric([value], list(zip(bounds, accumulate(seen.counts), strict=True)), seen.sum)
        yield family


class _Seen:
    """How many durations fell into each bucket, and how long they were together."""

    __slots__ = ("counts", "sum")

    def __init__(self, buckets: int) -> None:
        self.counts = [0] * buckets
        self.sum = 0.0
