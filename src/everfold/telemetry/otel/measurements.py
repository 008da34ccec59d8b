"""The measurements that the conventions name, for OpenTelemetry. Those of Prometheus are others, and say more."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.metrics import Meter

from everfold.telemetry.otel import conventions as names

__all__ = ["Measurements"]


class Measurements:
    """How many messages were sent and dealt with, and how long that took."""

    def __init__(self, meter: Meter) -> None:
        self._sending = meter.create_histogram(names.CLIENT_DURATION, "s", "How long an append took.")
        self._sent = meter.create_counter(names.SENT_MESSAGES, "{message}", "Events that were recorded.")
        self._processing = meter.create_histogram(names.PROCESS_DURATION, "s", "How long a batch of events took.")
        self._consumed = meter.create_counter(names.CONSUMED_MESSAGES, "{message}", "Events that were dealt with.")
        self._requests = meter.create_histogram(names.HTTP_DURATION, "s", "How long until the answer began.")

    def sent(self, facts: Mapping[str, str], count: int, seconds: float, error: str | None = None) -> None:
        """An append of so many events."""
        facts = _with(facts, error)
        self._sending.record(seconds, facts)
        if count:
            self._sent.add(count, facts)

    def processed(self, facts: Mapping[str, str], count: int, seconds: float, error: str | None = None) -> None:
        """A batch of so many events."""
        facts = _with(facts, error)
        self._processing.record(seconds, facts)
        if count:
            self._consumed.add(count, facts)

    def request(self, facts: Mapping[str, str | int], seconds: float) -> None:
        """A request that was answered."""
        self._requests.record(seconds, facts)


def _with(facts: Mapping[str, str], error: str | None) -> Mapping[str, str]:
    return facts if error is None else {**facts, names.ERROR_TYPE: error}
