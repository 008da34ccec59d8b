import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from everfold import App, Conflict, NotFound, Rejected
from everfold.codec.metadata import metadata
from everfold.errors import MissingExtra, StoreFull
from everfold.log.selection import EVERYTHING
from everfold.telemetry import configured
from everfold.telemetry.otel.open_telemetry import MOST_LINKS, OpenTelemetry, open_telemetry_of
from everfold.telemetry.otel.trace_parent import context_of
from tests.http.bank import AccountOpened, Deposit, GetAccount, OpenAccount, bank
from tests.telemetry.eventually import eventually

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"


class Traced:
    """What an app has told."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._exporter))
        self._reader = InMemoryMetricReader()
        self.meters = MeterProvider(metric_readers=[self._reader])

    def watch(self, app: App) -> App:
        app.instruments.add(OpenTelemetry(self.tracers, self.meters))
        return app

    def spans(self, name: str = "") -> Sequence[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if name in {"", span.name}]

    def one(self, name: str) -> ReadableSpan:
        (span,) = self.spans(name)
        return span

    def measured(self) -> dict[str, Any]:
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: metric.data.data_points
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def traced() -> Traced:
    return Traced()


def trace_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.trace_id)


def span_id(span: ReadableSpan) -> int:
    assert span.context is not None
    return int(span.context.span_id)


async def test_a_command_its_append_and_what_is_made_of_it_are_linked(folder: Path, traced: Traced) -> None:
    app = traced.watch(bank(str(folder / "bank.db")))
    async with app:
        await app.execute(OpenAccount(account_id="a1", owner="Ann"))
        await eventually(lambda: bool(traced.spans("process account-summaries")))
        (record,) = await app.store.engine.read(EVERYTHING, after=0, limit=10)
    command, append = traced.one("command open-account"), traced.one("append account")
    batch = traced.spans("process account-summaries")[0]
    assert command.parent is None
    assert append.parent is not None
    assert append.parent.span_id == span_id(command)
    recorded = context_of(record.metadata.traceparent)
    assert recorded is not None
    assert (recorded.trace_id, recorded.span_id, recorded.trace_flags.sampled) == (
        trace_id(command),
        span_id(command),
        True,
    )
    assert trace_id(batch) != trace_id(command)
    assert [link.context.span_id for link in batch.links] == [span_id(command)]
    assert (append.kind, batch.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)


async def test_spans_have_the_names_of_the_conventions(folder: Path, traced: Traced) -> None:
    app = traced.watch(bank(str(folder / "bank.db")))
    async with app:
        done = await app.execute(OpenAccount(account_id="a1", owner="Ann"))
        await app.ask(GetAccount(account_id="a1"), after=done)
        await eventually(lambda: bool(traced.spans("process account-summaries")))
    command, query = traced.one("command open-account"), traced.one("query get-account")
    assert dict(command.attributes or {}) == {
        "everfold.message.kind": "command",
        "everfold.message.name": "open-account",
        "everfold.outcome": "accepted",
        "everfold.position": 1,
    }
    assert (query.attributes or {})["everfold.outcome"] == "answered"
    assert dict(traced.one("append account").attributes or {}) == {
        "messaging.system": "everfold",
        "messaging.operation.name": "append",
        "messaging.operation.type": "send",
        "messaging.destination.name": "account",
        "messaging.batch.message_count": 1,
        "everfold.outcome": "appended",
        "everfold.position": 1,
    }
    assert dict(traced.spans("process account-summaries")[0].attributes or {}) == {
        "messaging.system": "everfold",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "$all",
        "messaging.destination.subscription.name": "account-summaries",
        "messaging.batch.message_count": 1,
        "everfold.position": 1,
    }


async def test_a_refusal_is_no_error_and_a_failure_is(folder: Path, traced: Traced) -> None:
    app = traced.watch(bank(str(folder / "bank.db")))
    async with app:
        await app.execute(OpenAccount(account_id="a1", owner="Ann"))
        with pytest.raises(Rejected):
            await app.execute(OpenAccount(account_id="a1", owner="Bob"))
        with pytest.raises(NotFound):
            await app.ask(GetAccount(account_id="secret-1"))
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(app.store.engine, "append", full)
            with pytest.raises(StoreFull):
                await app.execute(Deposit(account_id="a1", amount=1))
    refused, failed = traced.spans("command open-account")[1], traced.one("command deposit")
    assert (refused.attributes or {})["everfold.outcome"] == "rejected"
    assert refused.status.status_code is StatusCode.UNSET
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.attributes or {})["error.type"] == "store-full"
    assert (traced.spans("append account")[-1].attributes or {})["error.type"] == "store-full"
    told = "".join(span.to_json() for span in traced.spans())
    for secret in ("a1", "Ann", "Bob", "secret-1", "very private"):
        assert f'"{secret}' not in told and secret not in {event.name for s in traced.spans() for event in s.events}
    assert "very private" not in told


async def full(writes: object) -> object:
    raise StoreFull("very private: the disk is full")


async def test_an_append_that_lost_is_told(folder: Path, traced: Traced) -> None:
    app = traced.watch(bank(str(folder / "bank.db")))
    async with app:
        with pytest.raises(Conflict):
            await app.store.append("account-a1", AccountOpened(owner="Ann", initial_balance=1), expected=3)
    assert (traced.one("append account").attributes or {})["everfold.outcome"] == "conflicted"


async def test_what_metadata_says_is_the_parent_if_nothing_else_is(folder: Path, traced: Traced) -> None:
    app = traced.watch(bank(str(folder / "bank.db")))
    async with app:
        with metadata(traceparent=TRACEPARENT):
            await app.execute(OpenAccount(account_id="a1", owner="Ann"))
        tracer = traced.tracers.get_tracer("host")
        with metadata(traceparent=TRACEPARENT), tracer.start_as_current_span("of the host"):
            await app.execute(Deposit(account_id="a1", amount=1))
        with metadata(traceparent="nonsense"):
            await app.execute(Deposit(account_id="a1", amount=1))
    opened, (deposit, other) = traced.one("command open-account"), traced.spans("command deposit")
    assert opened.parent is not None
    assert f"{opened.parent.trace_id:032x}-{opened.parent.span_id:016x}" == f"{TRACE}-{SPAN}"
    assert deposit.parent is not None
    assert deposit.parent.span_id == span_id(traced.one("of the host"))
    assert [f"{link.context.trace_id:032x}" for link in deposit.links] == [TRACE]
    assert other.parent is None
    assert not other.links


async def test_a_command_that_a_consumer_executes_belongs_to_its_batch(folder: Path, traced: Traced) -> None:
    app = traced.watch(bank(str(folder / "bank.db")))

    @app.consumes("welcome-gifts")
    async def welcome(event: AccountOpened) -> None:
        await app.execute(Deposit(account_id="a1", amount=5), idempotency_key="gift")

    async with app:
        await app.execute(OpenAccount(account_id="a1", owner="Ann"))
        await eventually(lambda: bool(traced.spans("process welcome-gifts")))
    gift, batch, opened = (
        traced.one("command deposit"),
        traced.one("process welcome-gifts"),
        traced.one("command open-account"),
    )
    assert gift.parent is not None
    assert gift.parent.span_id == span_id(batch)
    assert [link.context.span_id for link in gift.links] == [span_id(opened)]


async def test_a_batch_that_fails_is_told_without_the_text(folder: Path, traced: Traced) -> None:
    app = traced.watch(bank(str(folder / "bank.db")))
    async with app:
        await app.execute(OpenAccount(account_id="a1", owner="Ann"))
        await app.execute(Deposit(account_id="a1", amount=13))
        await eventually(lambda: any(is_failed(span) for span in traced.spans("process account-summaries")))
    failed = next(span for span in traced.spans("process account-summaries") if is_failed(span))
    assert (failed.attributes or {})["error.type"] == "Poison"
    assert "unlucky" not in failed.to_json()


def is_failed(span: ReadableSpan) -> bool:
    return span.status.status_code is StatusCode.ERROR


async def test_a_batch_links_each_producer_once_and_not_too_many(folder: Path, traced: Traced) -> None:
    async with bank(str(folder / "bank.db"), role="server") as app:
        for number in range(MOST_LINKS + 9):
            with metadata(traceparent=f"00-{TRACE}-{number + 1:016x}-01"):
                opened = AccountOpened(owner="Ann", initial_balance=1)
                await app.store.append(f"account-{number}", opened, opened)
    app = traced.watch(bank(str(folder / "bank.db")))
    async with app:
        await eventually(lambda: bool(traced.spans("process account-summaries")))
    spans = [link.context.span_id for link in traced.spans("process account-summaries")[0].links]
    assert len(spans) == len(set(spans)) == MOST_LINKS
    assert max(spans) == MOST_LINKS + 9


async def test_it_measures_what_the_conventions_name(folder: Path, traced: Traced) -> None:
    app = traced.watch(bank(str(folder / "bank.db")))
    async with app:
        await app.execute(OpenAccount(account_id="a1", owner="Ann"))
        await eventually(lambda: bool(traced.spans("process account-summaries")))
    measured = traced.measured()
    assert set(measured) == {
        "messaging.client.operation.duration",
        "messaging.client.sent.messages",
        "messaging.process.duration",
        "messaging.client.consumed.messages",
    }
    assert [point.value for point in measured["messaging.client.sent.messages"]] == [1]
    assert [point.value for point in measured["messaging.client.consumed.messages"]] == [1]
    assert [point.count for point in measured["messaging.client.operation.duration"]] == [1]


async def test_without_an_sdk_nothing_is_changed(folder: Path) -> None:
    app = bank(str(folder / "bank.db"), opentelemetry=True)
    assert open_telemetry_of(app) is configured.open_telemetry(app)
    async with app:
        with metadata(traceparent=TRACEPARENT):
            done = await app.execute(OpenAccount(account_id="a1", owner="Ann"))
        await app.ask(GetAccount(account_id="a1"), after=done)
        await app.execute(Deposit(account_id="a1", amount=1))
        records = await app.store.engine.read(EVERYTHING, after=0, limit=10)
    assert [record.metadata.traceparent for record in records] == [TRACEPARENT, None]


def test_it_is_not_imported_unless_it_is_wanted() -> None:
    code = (
        "import sys, everfold.http.api, everfold.cli.main\n"
        "from tests.http.bank import bank\n"
        "everfold.http.api.HttpApi(bank('memory:'))\n"
        "assert not [name for name in sys.modules if name.partition('.')[0] == 'opentelemetry']\n"
        "everfold.http.api.HttpApi(bank('memory:', opentelemetry=True))\n"
        "assert 'opentelemetry' in sys.modules\n"
        "assert 'opentelemetry.sdk' not in sys.modules\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, timeout=60)


def _finds_nothing(name: str) -> None:
    return None


def test_the_extra_is_named_when_it_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configured, "find_spec", _finds_nothing)
    assert configured.open_telemetry(bank("memory:")) is None
    with pytest.raises(MissingExtra, match=r"everfold\[otel\]"):
        configured.open_telemetry(bank("memory:", opentelemetry=True))


@pytest.mark.parametrize(
    "text",
    [
        None, "", "00", TRACEPARENT + "-", TRACEPARENT.upper(), f"ff{TRACEPARENT[2:]}", f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01", f" {TRACEPARENT}",
    ],
)  # fmt: skip
def test_what_is_no_trace_context_refers_to_nothing(text: str | None) -> None:
    assert context_of(text) is None
    assert context_of(TRACEPARENT) is not None
