"""When the database, or others, get in the way of a projection: it waits, looks again, and applies nothing twice."""

from __future__ import annotations

from typing import Any

import pytest

from everfold import App, Position
from everfold.errors import StoreBusy
from everfold.log.record import Record
from everfold.projections.build_consumer import BuildConsumer
from everfold.projections.build_writer import BuildWriter
from everfold.projections.projection import Mode
from everfold.projections.runner import ProjectionRunner
from everfold.subscriptions.bookkeeping import ConsumerRow
from everfold.subscriptions.subscription import Moved
from tests.app.bank import Opened, Paid
from tests.app.stores import StoreMaker
from tests.projections.ledger import AllRows, Ledger, caught_up, eventually, folded, ledger_app


async def fill(app: App) -> None:
    await app.store.append("account-a1", Opened(owner="Ann"))
    await app.store.append("account-a1", Paid(amount=1))


@pytest.mark.parametrize("mode", ["async", "inline"])
@pytest.mark.parametrize("error", [StoreBusy("locked"), RuntimeError("a bug"), Moved()])
async def test_it_looks_again_after_an_error(
    store: StoreMaker, monkeypatch: pytest.MonkeyPatch, mode: Mode, error: Exception
) -> None:
    look, failures, left = ProjectionRunner.look, 3, 0

    async def fail(self: ProjectionRunner) -> ConsumerRow:
        nonlocal left
        if left:
            left -= 1
            raise error
        return await look(self)

    monkeypatch.setattr(ProjectionRunner, "look", fail)
    async with ledger_app(store, mode=mode) as app:
        await fill(app)
        await caught_up(app)
        left = failures

        async def has_failed() -> bool:
            await app.projections.resume("ledger")  # which has it look at once
            return left == 0

        await eventually(has_failed)

        async def is_live() -> bool:
            status = await app.projections.status("ledger")
            return (status.state, status.problem) == ("live", None)

        await eventually(is_live)
        await app.store.append("account-a1", Paid(amount=1))
        assert await caught_up(app) == (await folded(app)).rows()
        assert await app.projections.parked() == []


@pytest.mark.parametrize("mode", ["async", "inline"])
async def test_a_position_that_others_moved_is_gone_on_from(store: StoreMaker, mode: Mode) -> None:
    """For example by a tool that puts a projection back to an earlier position, with the rows of then."""
    async with ledger_app(store, mode=mode) as app:
        await fill(app)
        await caught_up(app)

        def back(connection: Any) -> None:
            connection.execute("UPDATE everfold_consumers SET position = 1, changed = 1, epoch = epoch + 1")
            connection.execute("UPDATE balance__1 SET balance = 0")
            connection.execute("UPDATE owner__1 SET paid = 0")

        database = app.store.engine.beside if mode == "inline" else app.store.engine.views
        await database.write(back)
        await app.store.append("account-a1", Paid(amount=1))
        assert await app.ask(AllRows(), after=Position(3)) == (await folded(app)).rows()


async def test_what_somebody_else_went_past_is_not_set_aside(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        await caught_up(app)
        records: list[Record] = [record async for record in app.store.records()]
        dialect = app.store.engine.views.dialect
        writer = BuildWriter(Ledger, 1, dialect=dialect, codec=app.store.codec, clock=app.clock)
        late = BuildConsumer(writer, app.store.engine.views)
        with pytest.raises(Moved):
            await app.store.engine.views.write(
                lambda c: writer.park(c, records[0], ValueError("no"), attempts=1, token=1_000)
            )
        assert late.position == 0
        assert await app.projections.parked() == []
