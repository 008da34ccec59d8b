"""Queries change nothing: what answers them has a connection that cannot write, and no way to record events."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from everfold import (
    App,
    Projection,
    Query,
    ReadModel,
    Record,
    Repository,
    Table,
    answer,
    project,
)
from everfold.errors import BrokenRule, EverfoldError
from everfold.store.event_store import EventStore
from tests.security.counting import Counted, Counter, CountOne


class Total(ReadModel, key="id"):
    id: str
    count: int = 0


class Write(Query[int]):
    how: str


class ReadTotal(Query[int]):
    pass


class RecordOne(Query[None]):
    how: str = "store"


WAYS: dict[str, Callable[[Any], Any]] = {
    "put": lambda view: view.rows.put(Total("x", 1)),
    "delete": lambda view: view.rows.delete("all"),
    "sql update": lambda view: view.connection.execute(text("UPDATE total__1 SET count = 99")),
    "sql insert": lambda view: view.connection.execute(text("INSERT INTO total__1 (id, count) VALUES ('x', 1)")),
    "sql drop": lambda view: view.connection.execute(text("DROP TABLE IF EXISTS total__1")),
    "sql create": lambda view: view.connection.execute(text("CREATE TABLE mine (x)")),
    "sql of ours": lambda view: view.connection.execute(text("UPDATE everfold_consumers SET position = 0")),
    "returning": lambda view: view.connection.execute(text("DELETE FROM total__1 RETURNING id")).fetchall(),
}


class Totals(Projection):
    """All counts."""

    rows: Table[Total]

    @project
    def counted(self, event: Counted, record: Record) -> None:
        self.rows.put(Total("all", record.version))

    @answer
    def write(self, query: Write) -> int:
        WAYS[query.how](self)
        return 0

    @answer
    def read(self, query: ReadTotal) -> int:
        return self.rows["all"].count


class InlineTotals(Totals, mode="inline"):
    """The same, in the log's own file."""


def made(parts: type[Projection], store: str) -> App:
    app = App("counts", Counter, parts, store=store)

    @app.answers(RecordOne)
    async def record(query: RecordOne, events: EventStore, counters: Repository[Counter]) -> None:
        if query.how == "store":
            await events.append("counter-a", Counted())
        else:
            await counters.record("a", Counted())

    return app


@pytest.mark.parametrize("store", ["memory:", "counts.db"])
@pytest.mark.parametrize("parts", [Totals, InlineTotals])
async def test_an_answer_cannot_write(parts: type[Projection], store: str, tmp_path: Path) -> None:
    url = store if store == "memory:" else str(tmp_path / store)
    async with made(parts, url) as app:
        done = await app.execute(CountOne(counter="a"))
        for how in WAYS:
            with pytest.raises(Exception) as found:
                await app.ask(Write(how=how), after=done)
            assert isinstance(found.value, EverfoldError) or "readonly" in str(found.value), how
        assert await app.ask(ReadTotal(), after=done) == 1
        done = await app.execute(CountOne(counter="a"))
        assert await app.ask(ReadTotal(), after=done) == 2


@pytest.mark.parametrize("how", ["store", "repository"])
async def test_a_function_that_answers_cannot_record(how: str, tmp_path: Path) -> None:
    async with made(Totals, str(tmp_path / "counts.db")) as app:
        with pytest.raises(BrokenRule):
            await app.ask(RecordOne(how=how))
        assert await app.store.head() == 0
