from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from everfold.telemetry.catalogue import Metric
from everfold.telemetry.tallies import BOUNDS, MOST, Durations, Tally
from tests.telemetry.scraped import Scraped


def told(counted: Tally | Durations) -> Scraped:
    class Once(Collector):
        def collect(self) -> Iterator[Family]:
            return counted.family()

    registry = CollectorRegistry()
    registry.register(Once())
    return Scraped(generate_latest(registry).decode())


def test_a_counter_without_labels_begins_at_zero() -> None:
    tally = Tally(Metric("a_total", "counter", "A."))
    assert told(tally)("a_total") == 0
    tally.add(by=3)
    tally.add()
    assert told(tally)("a_total") == 4


def test_a_counter_has_only_so_many_labels() -> None:
    tally = Tally(Metric("a_total", "counter", "A.", ("x", "y")))
    for number in range(MOST + 7):
        tally.add((str(number), "y"))
    tally.add(("0", "y"))
    found = told(tally)
    assert found("a_total", x="0", y="y") == 2
    assert found("a_total", x="other", y="other") == 7
    assert len(found.families[0].samples) == MOST + 1


@pytest.mark.parametrize(("seconds", "first"), [(0.0, "0.0005"), (0.0005, "0.0005"), (0.3, "0.5"), (99.0, "+Inf")])
def test_a_duration_is_in_every_bucket_from_its_own_on(seconds: float, first: str) -> None:
    durations = Durations(Metric("a_seconds", "histogram", "A.", ("x",)))
    durations.add(seconds, ("1",))
    found = told(durations)
    bounds = [*map(str, BOUNDS), "+Inf"]
    counted = [found("a_seconds_bucket", x="1", le=bound) for bound in bounds]
    assert counted == [float(bounds.index(bound) >= bounds.index(first)) for bound in bounds]
    assert found("a_seconds_count", x="1") == 1
    assert found("a_seconds_sum", x="1") == pytest.approx(seconds)


def test_durations_have_only_so_many_labels() -> None:
    durations = Durations(Metric("a_seconds", "histogram", "A.", ("x",)))
    for number in range(MOST + 7):
        durations.add(1.0, (str(number),))
    found = told(durations)
    assert found("a_seconds_count", x="other") == 7
    assert found("a_seconds_sum", x="other") == 7.0
