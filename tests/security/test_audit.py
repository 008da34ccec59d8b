"""The audit: what operators do is in the log before it is done, and readers of the log do not stumble over it."""

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from everfold import (
    App,
    Event,
    Projection,
    Query,
    ReadModel,
    Record,
    Table,
    answer,
    project,
)
from everfold.app.operator_actions import AUDIT_STREAM, OperatorActionEnded, OperatorActionStarted
from everfold.errors import DefinitionError, NotFound, StoreError
from everfold.log.selection import Selection
from everfold.migration.export import export_store
from everfold.security.audit import audit_of, audit_on
from everfold.security.audited_operations import audited_operations
from everfold.security.principal import Principal, acting_as
from tests.security.counting import Counted, Counter, CountOne

ANN = Principal(name="ann", roles=frozenset({"operator"}))


class Total(ReadModel, key="id"):
    id: str
    count: int


class GetTotal(Query[int]):
    pass


class Totals(Projection):
    """All counts."""

    rows: Table[Total]

    @project
    def counted(self, event: Counted, record: Record) -> None:
        found = self.rows.get("all")
        self.rows.put(Total("all", (found.count if found else 0) + 1))

    @answer
    def total(self, query: GetTotal) -> int:
        found = self.rows.get("all")
        return found.count if found else 0


@pytest.fixture
async def app(tmp_path: Path) -> AsyncGenerator[App]:
    async with App("counts", Counter, Totals, store=str(tmp_path / "counts.db")) as app:
        yield app


async def audited(app: App) -> list[Any]:
    return [event async for event, _ in app.store.read_stream(AUDIT_STREAM)]


async def test_who_did_what_why_and_how_it_was_before_and_after(app: App) -> None:
    done = await app.execute(CountOne(counter="a"))
    await app.ask(GetTotal(), after=done)
    with acting_as(ANN):
        operations = audited_operations(app)
        await operations.pause("totals", "wrong totals")
        await operations.resume("totals")
        build = await operations.rebuild("totals")
    started, ended, *_ = found = await audited(app)
    assert isinstance(started, OperatorActionStarted) and isinstance(ended, OperatorActionEnded)
    assert (started.action, started.target, started.reason, started.by) == (
        "pause",
        "projection totals",
        "wrong totals",
        "http",
    )
    assert (started.before["paused"], ended.after["paused"]) == (None, "wrong totals")
    assert (ended.outcome, ended.started) == ("done", 1)
    assert [event.action for event in found] == ["pause", "pause", "resume", "resume", "rebuild", "rebuild"]
    assert found[-1].after["build"] == build
    records = [record async for record in app.store.records(Selection(stream=AUDIT_STREAM))]
    assert {record.metadata.actor for record in records} == {"ann"}


async def test_what_is_not_there_is_not_operated_on(app: App) -> None:
    with pytest.raises(NotFound):
        await audited_operations(app).pause("nothing", "")
    assert await audited(app) == []


async def test_what_fails_is_recorded_as_failed(app: App) -> None:
    with pytest.raises(NotFound):
        async with audit_of(app, actor="ann", by="http").action("do", "it"):
            raise NotFound("it", "x")
    with pytest.raises(ValueError):
        async with audit_of(app, actor="ann", by="http").action("do", "it"):
            raise ValueError("a secret")
    assert [event.outcome for event in await audited(app) if isinstance(event, OperatorActionEnded)] == [
        "not-found",
        "ValueError",
    ]


async def test_what_cannot_be_recorded_is_not_done(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*arguments: Any) -> Any:
        raise StoreError("full")

    monkeypatch.setattr(app.store.committer, "commit", fails)
    with pytest.raises(StoreError):
        await audited_operations(app).pause("totals", "")
    assert (await app.projections.status("totals")).paused is None


async def test_an_interrupted_action_has_no_end(app: App) -> None:
    begun = asyncio.Event()

    async def act() -> None:
        async with audit_of(app, actor="ann", by="http").action("do", "it"):
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(act())
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    (started,) = await audited(app)
    assert isinstance(started, OperatorActionStarted)


async def test_readers_of_the_whole_log_go_on(app: App, tmp_path: Path) -> None:
    await app.execute(CountOne(counter="a"))
    await audited_operations(app).pause("totals", "")
    await audited_operations(app).resume("totals")
    done = await app.execute(CountOne(counter="a"))
    seen: list[str] = []
    async for event, record in app.follow():
        seen.append(type(event).__name__)
        if record.position == done.position:
            break
    kinds = ["OperatorActionStarted", "OperatorActionEnded"]
    assert seen == ["Counted", *kinds, *kinds, "Counted"]
    assert [type(event).__name__ async for event, _ in app.store.read()] == seen
    assert await app.ask(GetTotal(), after=done) == 2
    await audited_operations(app).rebuild("totals")
    assert await app.ask(GetTotal(), after=done) == 2
    assert await app.ask(GetTotal(), as_of=done.position) == 2
    assert (await app.load(Counter, "a")).count == 2
    await export_store(app.store, tmp_path / "out.jsonl", clock=app.clock)
    assert (tmp_path / "out.jsonl").read_text().count("everfold-operator-action-started") == 3


async def test_a_tool_without_the_app_can_record_too(app: App) -> None:
    async with audit_on(app.store.engine, app.clock, actor="bob", by="cli").action("do", "it", facts={"n": 1}):
        pass
    assert [event.action for event in await audited(app)] == ["do", "do"]


def test_the_names_are_taken() -> None:
    class Mine(Event, name="everfold-operator-action-started"):
        pass

    with pytest.raises(DefinitionError, match="same permanent name"):
        App("x", Counter, events=[Mine]).codec()
