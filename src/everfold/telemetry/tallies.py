"""Counters and histograms that cost a fraction of a microsecond: plain numbers, turned into metrics at each scrape.

One event loop writes them, and the scrape reads them in the same loop, so that nothing is locked. Used by ``metrics``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family

from everfold.telemetry.catalogue import Metric

__all__ = ["BOUNDS", "MOST", "OTHER", "Durations", "Tally"]

BOUNDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds."""
MOST = 1_000
"""How many combinations of labels one metric has at most; further ones are counted together."""
OTHER = "other"
_TEXTS = (*map(str, BOUNDS), "+Inf")


class Tally:
    """One counter, by labels."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._rest = (OTHER,) * len(metric.labels)
        self._counts: dict[tuple[str, ...], int] = {} if metric.labels else {(): 0}

    def add(self, labels: tuple[str, ...] = (), by: int = 1) -> None:
        """Count."""
        counts = self._counts
        if labels in counts:
            counts[labels] += by
        else:
            key = labels if len(counts) < MOST else self._rest
            counts[key] = counts.get(key, 0) + by

    def family(self) -> Iterator[Family]:
        """As Prometheus knows it."""
        metric = self._metric
        family = CounterMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, count in self._counts.items():
            family.add_metric(labels, count)
        yield family


class Durations:
    """One histogram of seconds, by labels."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._rest = (OTHER,) * len(metric.labels)
        self._cells: dict[tuple[str, ...], list[float]] = {}
        if not metric.labels:
            self._new(())

    def _new(self, labels: tuple[str, ...]) -> list[float]:
        key = labels if len(self._cells) < MOST else self._rest
        return self._cells.setdefault(key, [0] * (len(BOUNDS) + 1) + [0.0])

    def add(self, seconds: float, labels: tuple[str, ...] = ()) -> None:
        """Count one that took so long."""
        cell = self._cells.get(labels) or self._new(labels)
        cell[bisect_left(BOUNDS, seconds)] += 1
        cell[-1] += seconds

    def family(self) -> Iterator[Family]:
        """As Prometheus knows it: each bucket counts what took no longer."""
        metric = self._metric
        family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        for labels, cell in self._cells.items():
            buckets: list[tuple[str, float]] = []
            count = 0.0
            for text, number in zip(_TEXTS, cell, strict=False):
                count += number
                buckets.append((text, count))
            family.add_metric(labels, buckets, cell[-1])
        yield family
