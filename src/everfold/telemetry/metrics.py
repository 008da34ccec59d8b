"""The metrics of one app, for Prometheus: counted at the seams, and looked up at each scrape. Used by http.

``metrics_of(app)`` before the app starts; ``await metrics.text()`` for each scrape.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from time import perf_counter
from typing import Any

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from everfold.app.application import App
from everfold.app.instruments import Instrument
from everfold.app.middleware import Envelope, Next
from everfold.errors import EverfoldError
from everfold.identifiers import category_of
from everfold.log.record import Record
from everfold.log.write import Appended, Conflicted, Outcome, Write
from everfold.store.committer import Commit
from everfold.subscriptions.subscription import Consumer, Poison
from everfold.telemetry import catalogue
from everfold.telemetry.catalogue import Metric
from everfold.telemetry.outcomes import ANSWERED, outcome_of_error, outcome_of_result
from everfold.telemetry.state import Looked, SubscriptionState, look
from everfold.telemetry.tallies import Durations, Tally
from everfold.telemetry.watched_consumer import Consume, WatchedConsumer

__all__ = ["Metrics", "metrics_of"]

CLASSES = ("0xx", "1xx", "2xx", "3xx", "4xx", "5xx")


def metrics_of(app: App, version: str = "") -> Metrics:
    """The metrics of an app; the first call, before it starts, has it counted. ``version``: what everfold calls its."""
    found = app.instruments.find(Metrics)
    if found is None:
        found = Metrics(app, version)
        app.instruments.add(found)
    return found


class Metrics(Instrument):
    """Counts what one app does in this process."""

    def __init__(self, app: App, version: str = "") -> None:
        self._app = app
        self._info = (app.name, version, app.settings().values.role)
        self._looked = Looked()
        self.live_clients: Callable[[], int] | None = None
        """Set by whoever serves them."""
        self._appended, self._conflicts = Tally(catalogue.APPENDED_EVENTS), Tally(catalogue.APPEND_CONFLICTS)
        self._append_seconds = Durations(catalogue.APPEND_DURATION)
        self._append_failures = Tally(catalogue.APPEND_FAILURES)
        self._commands, self._command_seconds = Tally(catalogue.COMMANDS), Durations(catalogue.COMMAND_DURATION)
        self._queries, self._query_seconds = Tally(catalogue.QUERIES), Durations(catalogue.QUERY_DURATION)
        self._requests = Tally(catalogue.HTTP_REQUESTS)
        self._request_seconds = Durations(catalogue.HTTP_REQUEST_DURATION)
        self._handled, self._failures = Tally(catalogue.SUBSCRIPTION_EVENTS), Tally(catalogue.SUBSCRIPTION_FAILURES)
        self._batch_seconds = Durations(catalogue.SUBSCRIPTION_BATCH_DURATION)
        self._counted: Sequence[Tally | Durations] = [
            value for value in vars(self).values() if isinstance(value, Tally | Durations)
        ]
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Collected(self._families))
        ProcessCollector(registry=self._registry)

    # --- counting

    async def message(self, envelope: Envelope, next: Next) -> Any:
        """Count a command or query by what comes of it."""
        started = perf_counter()
        is_command = envelope.kind == "command"
        outcome = ANSWERED
        try:
            result = await next(envelope)
        except BaseException as error:
            outcome = outcome_of_error(error)
            raise
        else:
            if is_command:
                outcome = outcome_of_result(result)
        finally:
            seconds, name = perf_counter() - started, envelope.name
            if is_command:
                self._commands.add((name, outcome))
                self._command_seconds.add(seconds, (name,))
            else:
                self._queries.add((name, outcome))
                self._query_seconds.add(seconds, (name,))
        return result

    def commit(self, commit: Commit) -> Commit:
        """Count what is appended, in this process and whoever asks for it."""

        async def counted(write: Write) -> Outcome:
            started = perf_counter()
            try:
                outcome = await commit(write)
            except Exception as error:
                self._append_failures.add((error.code if isinstance(error, EverfoldError) else "error",))
                raise
            self._append_seconds.add(perf_counter() - started)
            if type(outcome) is Appended:
                self._count_events(write)
            elif type(outcome) is Conflicted:
                self._conflicts.add()
            return outcome

        return counted

    def _count_events(self, write: Write) -> None:
        add = self._appended.add
        for part in write.appends:
            category = category_of(part.stream)
            for record in part.records:
                add((category, record.type))

    def consumer(self, title: str, consumer: Consumer) -> Consumer:
        """Count the events that it deals with."""

        def around(consume: Consume) -> Consume:
            async def counted(records: Sequence[Record], position: int) -> int:
                started = perf_counter()
                try:
                    handled = await consume(records, position)
                except Poison as poison:
                    self._handled.add((title,), poison.handled)
                    self._failures.add((title,))
                    raise
                self._batch_seconds.add(perf_counter() - started, (title,))
                self._handled.add((title,), handled)
                return handled

            return counted

        return WatchedConsumer(consumer, around)

    def request(self, operation: str, status: int, seconds: float) -> None:
        """Count a request that was answered."""
        self._requests.add((operation, CLASSES[status // 100]))
        self._request_seconds.add(seconds, (operation,))

    # --- telling

    async def text(self) -> bytes:
        """All of it in Prometheus' text format."""
        self._looked = await look(self._app)
        return generate_latest(self._registry)

    def _families(self) -> Iterator[Family]:
        yield _gauge(catalogue.INFO, [(self._info, 1)])
        for counted in self._counted:
            yield from counted.family()
        if self.live_clients is not None:
            yield _gauge(catalogue.LIVE_CLIENTS, [((), self.live_clients())])
        yield from _state(self._looked)


class _Collected(Collector):
    def __init__(self, families: Callable[[], Iterator[Family]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Family]:
        return self._families()


def _gauge(metric: Metric, samples: Sequence[tuple[Sequence[str], float]]) -> Family:
    family = GaugeMetricFamily(metric.name, metric.help, labels=metric.labels)
    for labels, value in samples:
        family.add_metric(labels, value)
    return family


_OF_SUBSCRIPTIONS: Sequence[tuple[Metric, Callable[[SubscriptionState], float | None]]] = (
    (catalogue.SUBSCRIPTION_POSITION, lambda each: each.position),
    (catalogue.SUBSCRIPTION_LAG_EVENTS, lambda each: each.lag_events),
    (catalogue.SUBSCRIPTION_LAG_SECONDS, lambda each: each.lag_seconds),
    (catalogue.SUBSCRIPTION_PAUSED, lambda each: each.is_paused),
    (catalogue.SUBSCRIPTION_ATTENDED, lambda each: each.is_attended),
    (catalogue.DEAD_LETTERS, lambda each: each.dead_letters),
    (catalogue.WAITING_EVENTS, lambda each: each.waiting),
    (catalogue.REBUILD_PROGRESS, lambda each: each.progress),
)


def _state(looked: Looked) -> Iterator[Family]:
    yield _gauge(catalogue.STORE_READABLE, [((), looked.head is not None)])
    if looked.head is not None:
        yield _gauge(catalogue.HEAD_POSITION, [((), looked.head)])
    for metric, value_of in _OF_SUBSCRIPTIONS:
        values = [((each.name,), value_of(each)) for each in looked.subscriptions]
        yield _gauge(metric, [(labels, float(value)) for labels, value in values if value is not None])
    if looked.file_bytes:
        yield _gauge(catalogue.STORE_BYTES, [((name,), size) for name, size in looked.file_bytes.items()])
    if looked.free_bytes is not None:
        yield _gauge(catalogue.STORE_FREE_BYTES, [((), looked.free_bytes)])
