"""Spans of commands, queries, appends and batches, linked through what is recorded with each event.

``open_telemetry_of(app)`` before the app starts; http does so when the setting ``opentelemetry`` is on. Only the API of
OpenTelemetry is used: who runs the program chooses and configures the SDK. No span holds fields of messages or events,
names of streams, or the texts of errors.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import msgspec
from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider

from everfold.app.application import App
from everfold.app.done import Done
from everfold.app.instruments import Instrument
from everfold.app.middleware import Envelope, Next
from everfold.codec.metadata import reset_metadata, set_metadata
from everfold.errors import EverfoldError
from everfold.identifiers import category_of
from everfold.log.record import Record
from everfold.log.write import Appended, Outcome, Write
from everfold.store.committer import Commit
from everfold.subscriptions.subscription import Consumer
from everfold.telemetry.otel import conventions as names
from everfold.telemetry.otel.measurements import Measurements
from everfold.telemetry.otel.trace_parent import context_of, remote_span, traceparent_of
from everfold.telemetry.outcomes import ANSWERED, FAILURES, outcome_of_error, outcome_of_result
from everfold.telemetry.watched_consumer import Consume, WatchedConsumer

__all__ = ["OpenTelemetry", "error_type", "open_telemetry_of"]

SCOPE = "everfold"
MOST_LINKS = 64
"""How many producing spans a batch refers to at most."""


def open_telemetry_of(app: App) -> OpenTelemetry:
    """The spans of an app; the first call, before it starts, has it watched."""
    found = app.instruments.find(OpenTelemetry)
    if found is None:
        found = OpenTelemetry()
        app.instruments.add(found)
    return found


class OpenTelemetry(Instrument):
    """Watches one app. By default it tells the providers that the program has set globally."""

    def __init__(self, tracers: TracerProvider | None = None, meters: MeterProvider | None = None) -> None:
        self.tracer = trace.get_tracer(SCOPE, tracer_provider=tracers)
        self.measurements = Measurements(metrics.get_meter(SCOPE, meter_provider=meters))

    # --- commands and queries

    async def message(self, envelope: Envelope, next: Next) -> Any:
        """A span for the message; what it records refers to this span."""
        kind, name = envelope.kind, envelope.name
        with self._span(f"{kind} {name}", envelope.metadata.traceparent) as span:
            if span.is_recording():
                span.set_attributes({names.MESSAGE_KIND: kind, names.MESSAGE_NAME: name})
            try:
                result: Any = await self._traced(envelope, next, span)
            except BaseException as error:
                outcome = outcome_of_error(error)
                span.set_attribute(names.OUTCOME, outcome)
                if outcome in FAILURES:
                    _failed(span, error)
                raise
            span.set_attribute(names.OUTCOME, ANSWERED if kind == "query" else outcome_of_result(result))
            done: object = result
            if isinstance(done, Done):
                span.set_attribute(names.POSITION, int(done.position))
        return result

    async def _traced(self, envelope: Envelope, next: Next, span: Span) -> Any:
        traceparent = traceparent_of(span) if envelope.kind == "command" else None
        if traceparent is None:
            return await next(envelope)
        envelope.metadata = msgspec.structs.replace(envelope.metadata, traceparent=traceparent)
        token = set_metadata(envelope.metadata)
        try:
            return await next(envelope)
        finally:
            reset_metadata(token)

    @contextmanager
    def _span(self, name: str, cause: str | None) -> Generator[Span]:
        """A span within the current one. What caused it, as metadata says, is its parent if nothing else is."""
        current = trace.get_current_span().get_span_context()
        caused_by = context_of(cause)
        parent = links = None
        if caused_by is not None and not current.is_valid:
            parent = trace.set_span_in_context(remote_span(caused_by))
        elif caused_by is not None and caused_by.trace_id != current.trace_id:
            links = [Link(caused_by)]
        with self.tracer.start_as_current_span(
            name, parent, links=links, record_exception=False, set_status_on_exception=False
        ) as span:
            yield span

    # --- appends

    def commit(self, commit: Commit) -> Commit:
        """A span for each append that records something."""

        async def traced(write: Write) -> Outcome:
            count = sum(len(part.records) for part in write.appends)
            if not count:
                return await commit(write)
            return await self._appending(commit, write, count)

        return traced

    async def _appending(self, commit: Commit, write: Write, count: int) -> Outcome:
        category = category_of(write.appends[0].stream)
        facts = names.sending(category)
        started = perf_counter()
        with self.tracer.start_as_current_span(
            f"append {category}",
            kind=SpanKind.PRODUCER,
            attributes={**facts, names.BATCH_COUNT: count},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                outcome = await commit(write)
            except BaseException as error:
                _failed(span, error)
                self.measurements.sent(facts, 0, perf_counter() - started, error_type(error))
                raise
            span.set_attribute(names.OUTCOME, type(outcome).__name__.lower())
            if isinstance(outcome, Appended):
                span.set_attribute(names.POSITION, outcome.last)
        self.measurements.sent(facts, count if isinstance(outcome, Appended) else 0, perf_counter() - started)
        return outcome

    # --- projections and consumers

    def consumer(self, title: str, consumer: Consumer) -> Consumer:
        """A span for each batch, linked to those that have produced its events."""

        def around(consume: Consume) -> Consume:
            async def traced(records: Sequence[Record], position: int) -> int:
                return await self._processing(title, consume, records, position)

            return traced

        return WatchedConsumer(consumer, around)

    async def _processing(self, title: str, consume: Consume, records: Sequence[Record], position: int) -> int:
        facts = names.processing(title)
        started = perf_counter()
        with self.tracer.start_as_current_span(
            f"process {title}",
            kind=SpanKind.CONSUMER,
            attributes={**facts, names.BATCH_COUNT: len(records), names.POSITION: position},
            links=_links(records),
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                handled = await consume(records, position)
            except BaseException as error:
                _failed(span, error)
                self.measurements.processed(facts, 0, perf_counter() - started, error_type(error))
                raise
        self.measurements.processed(facts, handled, perf_counter() - started)
        return handled


def error_type(error: BaseException) -> str:
    """The code of an error of ours, else its class. Never its text."""
    return str(error.code) if isinstance(error, EverfoldError) else type(error).__qualname__


def _failed(span: Span, error: BaseException) -> None:
    span.set_status(Status(StatusCode.ERROR))
    span.set_attribute(names.ERROR_TYPE, error_type(error))


def _links(records: Sequence[Record]) -> list[Link]:
    """One for each span that has produced some of them; the latest ones, when there are too many."""
    found: dict[str, Link] = {}
    for record in reversed(records):
        traceparent = record.metadata.traceparent if "traceparent" in record.metadata_json else None
        if traceparent is None or traceparent in found:
            continue
        context = context_of(traceparent)
        if context is not None:
            found[traceparent] = Link(context)
            if len(found) == MOST_LINKS:
                break
    return list(found.values())
