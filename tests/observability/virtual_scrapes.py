"""What Prometheus would have scraped from a broker on a virtual day, as the series of a promtool unit test."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from prometheus_client import CollectorRegistry

from day.virtual_day import EPOCH

TARGET = {"namespace": "shop", "pod": "web-0", "instance": "10.0.0.1:7181", "container": "token-broker"}
#: The families that alerts look at.
JUDGED = {
    "token_broker_build_info",
    "token_broker_clock_offset_seconds",
    "token_broker_config_stale",
    "token_broker_key_refused",
    "token_broker_refreshes",
    "token_broker_token_expiration_timestamp_seconds",
    "token_broker_token_refresh_lead_seconds",
}


class Scrapes:
    """The samples of one broker, taken every `every` seconds of virtual time; promtool's time begins at its start."""

    def __init__(self, registry: Callable[[], CollectorRegistry], *, every: float) -> None:
        self._registry = registry
        self._every = every
        self._count = 0
        self._series: defaultdict[str, dict[int, float]] = defaultdict(dict)

    async def run(self) -> NoReturn:
        """Scrape for ever."""
        loop = asyncio.get_running_loop()
        while True:
            self._count = int(loop.time() // self._every) + 1
            await asyncio.sleep(self._count * self._every - loop.time())
            for family in self._registry().collect():
                for sample in family.samples if family.name in JUDGED else ():
                    labels = ", ".join(f'{name}="{text}"' for name, text in {**sample.labels, **TARGET}.items())
                    value = sample.value - EPOCH if "_timestamp_" in sample.name and sample.value else sample.value
                    self._series[f"{sample.name}{{{labels}}}"][self._count] = value

    def unit_test(self, *fired: tuple[float, set[str]]) -> dict[str, Any]:
        """That at each of these moments, in seconds, just these alerts fire; and at the end, that no other ever has."""
        ever = set().union(*(alerts for _, alerts in fired))
        told = [("group by (alertname) (ALERTS{alertstate='firing'})", moment, alerts) for moment, alerts in fired] + [
            ("group by (alertname) (count_over_time(ALERTS{alertstate='firing'}[30d]))", self._end, ever)
        ]
        return {
            "interval": f"{self._every:.0f}s",
            "input_series": [
                {"series": series, "values": " ".join(self._values(samples))}
                for series, samples in self._series.items()
            ],
            "promql_expr_test": [
                {
                    "expr": expression,
                    "eval_time": f"{moment:.0f}s",
                    "exp_samples": [{"labels": f'{{alertname="{alert}"}}', "value": 1} for alert in sorted(alerts)],
                }
                for expression, moment, alerts in told
            ],
        }

    @property
    def _end(self) -> float:
        return self._count * self._every

    def _values(self, samples: dict[int, float]) -> Iterator[str]:
        for number in range(self._count + 1):
            yield repr(samples[number]) if number in samples else "_"


@contextmanager
def scraped(registry: Callable[[], CollectorRegistry], *, every: float = 30.0) -> Iterator[Scrapes]:
    """Scrape while in here."""
    scrapes = Scrapes(registry, every=every)
    task = asyncio.ensure_future(scrapes.run())
    try:
        yield scrapes
    finally:
        task.cancel()
