import asyncio
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import msgspec
import prometheus_client
import pytest

from everfold import App, Conflict, NotFound, Rejected
from everfold.app.middleware import Envelope, Next
from everfold.errors import InvalidMessage, OutcomeUnknown, StoreFull
from everfold.log.engine import Engine
from everfold.telemetry import catalogue
from everfold.telemetry.metrics import metrics_of
from everfold.telemetry.state import look
from everfold.telemetry.tallies import MOST
from tests.http.bank import AccountOpened, AccountSummaries, Deposit, GetAccount, OpenAccount, Withdraw, bank
from tests.telemetry.scraped import scrape, scrape_until

COMMANDS, EVENTS = "everfold_commands_total", "everfold_appended_events_total"


async def test_commands_are_counted_by_outcome(watched: App) -> None:
    await watched.execute(OpenAccount(account_id="a1", owner="Ann"), idempotency_key="k1")
    await watched.execute(OpenAccount(account_id="a1", owner="Ann"), idempotency_key="k1")
    with pytest.raises(Rejected):
        await watched.execute(OpenAccount(account_id="a1", owner="Bob"))
    with pytest.raises(InvalidMessage):
        await watched.execute(Deposit(account_id="a1", amount=-1))
    with pytest.raises(Conflict):
        await watched.execute(Deposit(account_id="a1", amount=1), expected=7)
    found = await scrape(watched)
    assert found(COMMANDS, command="open-account", outcome="accepted") == 1
    assert found(COMMANDS, command="open-account", outcome="duplicate") == 1
    assert found(COMMANDS, command="open-account", outcome="rejected") == 1
    assert found(COMMANDS, command="deposit", outcome="refused") == 1
    assert found(COMMANDS, command="deposit", outcome="conflict") == 1
    assert found("everfold_command_duration_seconds_count", command="open-account") == 3
    assert found("everfold_command_duration_seconds_bucket", command="open-account", le="+Inf") == 3
    seconds = found("everfold_command_duration_seconds_sum", command="open-account")
    assert seconds is not None and seconds > 0


async def test_queries_are_counted_by_outcome(watched: App) -> None:
    done = await watched.execute(OpenAccount(account_id="a1", owner="Ann"))
    await watched.ask(GetAccount(account_id="a1"), after=done)
    with pytest.raises(NotFound):
        await watched.ask(GetAccount(account_id="a2"))
    found = await scrape(watched)
    assert found("everfold_queries_total", query="get-account", outcome="answered") == 1
    assert found("everfold_queries_total", query="get-account", outcome="not-found") == 1
    assert found("everfold_query_duration_seconds_count", query="get-account") == 2


async def test_events_are_counted_by_type_whoever_appends_them(watched: App) -> None:
    await watched.execute(OpenAccount(account_id="a1", owner="Ann"))
    for _ in range(3):
        await watched.execute(Deposit(account_id="a1", amount=5))
    await watched.store.append("account-b1", AccountOpened(owner="Bob", initial_balance=1))
    with pytest.raises(Conflict):
        await watched.store.append("account-b1", AccountOpened(owner="Bob", initial_balance=1), expected=0)
    found = await scrape(watched)
    assert found(EVENTS, category="account", type="account-opened") == 2
    assert found(EVENTS, category="account", type="money-deposited") == 3
    assert found("everfold_append_conflicts_total") == 1
    assert found("everfold_append_duration_seconds_count") == 6
    assert found("everfold_head_position") == 5


async def test_a_conflict_that_is_decided_again_is_counted_and_the_command_accepted(watched: App) -> None:
    await watched.execute(OpenAccount(account_id="a1", owner="Ann"))
    await watched.store.append("account-a1", AccountOpened(owner="Ann", initial_balance=9))  # behind the kept state
    await watched.execute(Deposit(account_id="a1", amount=5))
    found = await scrape(watched)
    assert found("everfold_append_conflicts_total") == 1
    assert found(COMMANDS, command="deposit", outcome="accepted") == 1


async def test_failures_of_the_store_are_counted_by_code(watched: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(writes: object) -> object:
        raise StoreFull("The disk is full.")

    async def lost(writes: object) -> object:
        raise OutcomeUnknown("It may be stored.")

    engine: Engine = watched.store.engine
    for append, raised in ((full, StoreFull), (lost, OutcomeUnknown)):
        monkeypatch.setattr(engine, "append", append)
        with pytest.raises(raised):
            await watched.execute(OpenAccount(account_id="a1", owner="Ann"))
    monkeypatch.undo()
    found = await scrape(watched)
    assert found("everfold_append_failures_total", error="store-full") == 1
    assert found("everfold_append_failures_total", error="outcome-unknown") == 1
    assert found(COMMANDS, command="open-account", outcome="error") == 1
    assert found(COMMANDS, command="open-account", outcome="unknown") == 1


async def test_a_projection_tells_where_it_is_and_what_it_gave_up(watched: App) -> None:
    name = "account-summaries"
    await watched.execute(OpenAccount(account_id="a1", owner="Ann"))
    await scrape_until(watched, "everfold_subscription_position", 1, subscription=name)
    await watched.execute(Deposit(account_id="a1", amount=13))
    await watched.execute(Deposit(account_id="a1", amount=1))
    found = await scrape_until(watched, "everfold_waiting_events", 1, subscription=name)
    assert found("everfold_dead_letters", subscription=name) == 1
    assert found("everfold_subscription_lag_events", subscription=name) == 0
    assert found("everfold_subscription_lag_seconds", subscription=name) == 0
    assert found("everfold_subscription_attended", subscription=name) == 1
    assert found("everfold_subscription_paused", subscription=name) == 0
    failures = found("everfold_subscription_failures_total", subscription=name)
    assert failures is not None and failures > 1, "each attempt is counted"
    assert found("everfold_subscription_events_total", subscription=name) == 1
    batches = found("everfold_subscription_batch_duration_seconds_count", subscription=name)
    assert batches is not None and batches >= 1
    assert found("everfold_rebuild_progress_ratio", subscription=name) is None


async def test_a_paused_projection_falls_behind(watched: App) -> None:
    name = "account-summaries"
    await watched.projections.pause(name, "to look at it")
    await scrape_until(watched, "everfold_subscription_paused", 1, subscription=name)
    await watched.execute(OpenAccount(account_id="a1", owner="Ann"))
    found = await scrape(watched)
    assert found("everfold_subscription_lag_events", subscription=name) == 1
    seconds = (await scrape(watched))("everfold_subscription_lag_seconds", subscription=name)
    assert seconds is not None and seconds > 0


async def test_a_rebuild_tells_how_far_it_is(watched: App) -> None:
    name, found = "account-summaries", list[float | None]()
    await watched.execute(OpenAccount(account_id="a1", owner="Ann"))
    await scrape_until(watched, "everfold_subscription_position", 1, subscription=name)
    real = await watched.projections.statuses()
    half = [msgspec.structs.replace(status, building=1, head=4) for status in real]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(watched.projections, "statuses", AsyncMock(return_value=half))
        found.append((await scrape(watched))("everfold_rebuild_progress_ratio", subscription=name))
    await watched.projections.rebuild(name)
    found.append((await scrape(watched))("everfold_rebuild_progress_ratio", subscription=name))
    assert found == [0.25, None]


async def test_a_process_that_only_serves_says_that_nobody_runs_the_projection(folder: Path) -> None:
    app = bank(str(folder / "bank.db"), role="server")
    metrics_of(app)
    async with app:
        found = await scrape(app)
        assert found("everfold_subscription_attended", subscription="account-summaries") == 0
        assert found("everfold_info", app="bank", version="", role="server") == 1


async def test_a_consumer_tells_the_same(folder: Path) -> None:
    app = bank(str(folder / "bank.db"))
    seen: list[str] = []

    @app.consumes("greetings", partitions=2)
    async def greet(event: AccountOpened) -> None:
        if event.owner == "Mallory":
            raise ValueError("no")
        seen.append(event.owner)
        await app.execute(Withdraw(account_id="nobody", amount=1))

    metrics_of(app)
    async with app:
        await app.execute(OpenAccount(account_id="a1", owner="Mallory"))
        found = await scrape_until(app, "everfold_dead_letters", 1, subscription="greetings")
        found = await scrape_until(app, "everfold_subscription_position", 1, subscription="greetings")
        assert found("everfold_subscription_attended", subscription="greetings") == 1
        assert found("everfold_subscription_lag_events", subscription="greetings") == 0
        assert found("everfold_waiting_events", subscription="greetings") == 0
        await app.execute(OpenAccount(account_id="a2", owner="Ann"))
        await scrape_until(app, COMMANDS, 1, command="withdraw", outcome="rejected")  # what consumers do counts too
    assert seen[0] == "Ann"


async def test_the_files_of_a_store_are_measured_and_memory_has_none(watched: App) -> None:
    found = await scrape(watched)
    size, free = found("everfold_store_bytes", file="log"), found("everfold_store_free_bytes")
    assert size is not None and size > 0
    assert free is not None and free > 0
    in_memory = bank("memory:")
    metrics_of(in_memory)
    async with in_memory:
        found = await scrape(in_memory)
    assert not {"everfold_store_bytes", "everfold_store_free_bytes"} & found.names()


async def test_a_store_that_cannot_be_read_is_told_and_the_rest_goes_on(folder: Path) -> None:
    app = bank(str(folder / "bank.db"))
    metrics_of(app)
    async with app:
        await app.execute(OpenAccount(account_id="a1", owner="Ann"))
    found = await scrape(app)
    assert found("everfold_store_readable") == 0
    assert found("everfold_head_position") is None
    assert found(EVENTS, category="account", type="account-opened") == 1


async def test_a_store_that_does_not_answer_is_not_waited_for(watched: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(position: int) -> int:
        await asyncio.Event().wait()
        return 0

    monkeypatch.setattr("everfold.telemetry.state.LOOK_SECONDS", 0.01)
    with monkeypatch.context() as patched:
        patched.setattr(watched.store.engine, "wait", never)
        assert (await look(watched)).head is None
    assert (await look(watched)).head == 0


async def test_each_app_has_metrics_of_its_own(watched: App, folder: Path) -> None:
    other = bank(str(folder / "other.db"))
    before = prometheus_client.generate_latest()
    async with other:
        await watched.execute(OpenAccount(account_id="a1", owner="Ann"))
        assert metrics_of(other) is metrics_of(other)
        assert (await scrape(other))(COMMANDS, command="open-account", outcome="accepted") is None
        assert metrics_of(watched) is not metrics_of(other)
    assert b"everfold" not in before + prometheus_client.generate_latest()


async def test_no_label_has_what_is_not_bounded(watched: App) -> None:
    for number in range(3):
        await watched.execute(OpenAccount(account_id=f"secret-{number}", owner="Ann"))
    found = await scrape(watched)
    assert "secret" not in found.text
    assert "Ann" not in found.text
    labels = {label for family in found.families for sample in family.samples for label in sample.labels}
    assert labels == {label for metric in catalogue.ALL for label in metric.labels} - {
        "error", "query", "operation", "status"
    } | {"le"}  # fmt: skip


async def test_streams_without_a_category_do_not_make_endless_labels(watched: App) -> None:
    metrics = metrics_of(watched)
    for number in range(MOST + 5):
        metrics._appended.add((f"category{number}", "account-opened"))  # pyright: ignore[reportPrivateUsage]
    found = await scrape(watched)
    assert found(EVENTS, category="other", type="other") == 5


async def test_everything_told_is_in_the_catalogue_as_it_is_there(watched: App) -> None:
    metrics_of(watched).live_clients = lambda: 3
    metrics_of(watched).request("livez", 200, 0.1)
    found = await scrape(watched)
    by_name = {metric.name.removesuffix("_total"): metric for metric in catalogue.ALL}
    for family in found.families:
        if family.name.startswith("everfold_"):
            metric = by_name[family.name]
            assert (family.type, family.documentation) == (metric.kind, metric.help)
    assert {family.name for family in found.families} >= set(by_name) - {"everfold_append_failures"}
    assert {"process_cpu_seconds_total", "process_resident_memory_bytes"} <= found.names()
    assert found("everfold_live_clients") == 3


async def test_what_is_cancelled_is_an_outcome_too(folder: Path) -> None:
    started = asyncio.Event()

    async def stuck(envelope: Envelope, next: Next) -> Any:
        started.set()
        await asyncio.Event().wait()

    app = App("bank", AccountSummaries, store="memory:", middlewares=[stuck])
    metrics_of(app)
    async with app:
        asking = asyncio.create_task(app.ask(GetAccount(account_id="a1")))
        await started.wait()
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await scrape(app))("everfold_queries_total", query="get-account", outcome="cancelled") == 1
