"""Rebuilds: beside the live tables, switched when they are finished, and the comparison that changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from everfold import App
from everfold.errors import EverfoldError, StoreBusy
from everfold.projections.answers import Answers
from everfold.projections.builds import activate
from everfold.projections.fingerprint import fingerprint
from everfold.projections.rebuild import ATTEMPTS
from everfold.subscriptions.lease import Lease, Leases
from tests.app.bank import Open, Opened, Paid, Pay
from tests.app.stores import StoreMaker
from tests.projections.changed import Doubling, Kind
from tests.projections.gate import Gate, gate
from tests.projections.ledger import (
    AllRows,
    GetBalance,
    Ledger,
    caught_up,
    eventually,
    folded,
    ledger_app,
)


async def fill(app: App) -> None:
    for key in ("a1", "a2"):
        await app.store.append(f"account-{key}", Opened(owner="Ann"), Paid(amount=5))
    await caught_up(app)


async def balance(app: App) -> int:
    return (await app.ask(GetBalance(account="a1"))).balance


async def sql(app: App, statement: str) -> list[Any]:
    """In the views, behind everybody's back."""

    def run(connection: Any) -> list[Any]:
        cursor = connection.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []

    return await app.store.engine.views.write(run)


async def states(app: App) -> list[tuple[int, str]]:
    return await sql(app, "SELECT build, state FROM everfold_consumers WHERE name = 'ledger' ORDER BY build")


@asynccontextmanager
async def rebuilding(app: App, held: Gate) -> AsyncGenerator[asyncio.Task[int]]:
    """A rebuild that waits before its first batch."""
    task = asyncio.create_task(app.projections.rebuild("ledger"))
    try:
        await held.arrival()
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_readers_keep_the_old_tables_until_the_switch(store: StoreMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        await sql(app, "UPDATE balance__1 SET balance = 1000 WHERE account = 'a1'")
        with gate(monkeypatch) as held:
            async with rebuilding(app, held) as task:
                assert await balance(app) == 1000
                await app.store.append("account-a2", Paid(amount=1))
                assert (await caught_up(app))[0][1].balance == 6, "the live tables go on"
                assert await states(app) == [(1, "active"), (2, "building")]
                assert (await app.projections.status("ledger")).building == 0
                held.open.set()
                assert await task == 2
        assert await states(app) == [(1, "retired"), (2, "active")]
        assert await caught_up(app) == (await folded(app)).rows()
        await app.store.append("account-a1", Paid(amount=1))
        assert await caught_up(app) == (await folded(app)).rows()


@pytest.mark.parametrize(("failures", "is_done"), [(2, True), (ATTEMPTS, False)])
async def test_a_switch_that_others_hold_up_is_tried_again(
    store: StoreMaker, monkeypatch: pytest.MonkeyPatch, failures: int, is_done: bool
) -> None:
    """In PostgreSQL somebody may be reading the view that it replaces."""
    left = failures

    def hold_up(*arguments: Any, **options: Any) -> bool:
        nonlocal left
        if left:
            left -= 1
            raise StoreBusy("somebody reads the view")
        return activate(*arguments, **options)

    monkeypatch.setattr("everfold.projections.rebuild.activate", hold_up)
    async with ledger_app(store) as app:
        await fill(app)
        if is_done:
            assert await app.projections.rebuild("ledger") == 2
        else:
            with pytest.raises(StoreBusy):
                await app.projections.rebuild("ledger")
        assert left == 0
        assert await caught_up(app) == (await folded(app)).rows()


async def test_progress_is_told_up_to_the_end(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        told: list[tuple[int, int]] = []
        await app.projections.rebuild("ledger", lambda position, until: told.append((position, until)))
        assert told
        assert told == sorted(told)
        assert told[-1] == (4, 4)


async def test_an_empty_log_is_built_at_once(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        assert await app.projections.rebuild("ledger") == 2
        await fill(app)
        assert await caught_up(app) == (await folded(app)).rows()


async def test_one_rebuild_at_a_time(store: StoreMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ledger_app(store) as app, ledger_app(store, role="server") as other:
        await fill(app)
        with gate(monkeypatch) as held:
            async with rebuilding(app, held) as task:
                with pytest.raises(EverfoldError, match="is being rebuilt already"):
                    await other.projections.rebuild("ledger")
                held.open.set()
                assert await task == 2
        assert await other.projections.rebuild("ledger") == 3


async def test_its_lease_is_kept_while_it_takes_long(store: StoreMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    renewed: list[str] = []
    renew = Leases.renew

    async def count(self: Leases, lease: Lease) -> bool:
        renewed.append(lease.name)
        if len(renewed) % 2:
            raise StoreBusy("locked")
        return await renew(self, lease)

    async with ledger_app(store) as app:
        await fill(app)
        with gate(monkeypatch) as held:
            monkeypatch.setattr(Leases, "renew", count)
            async with rebuilding(app, held) as task:

                async def is_kept() -> bool:
                    return renewed.count("rebuild ledger") > 3

                await eventually(is_kept)
                held.open.set()
                assert await task == 2


async def test_an_interrupted_rebuild_leaves_nothing_that_is_read_and_is_cleared_away(
    store: StoreMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        with gate(monkeypatch) as held:
            async with rebuilding(app, held) as task:
                task.cancel()
        assert await states(app) == [(1, "active"), (2, "building")]
        assert await balance(app) == 5
        await app.projections.rebuild("ledger")
        assert [state for _, state in await states(app)] == ["retired", "active"]
        assert await caught_up(app) == (await folded(app)).rows()


async def test_a_rebuild_that_slept_while_another_began_gives_up(
    store: StoreMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ledger_app(store) as app, ledger_app(store, role="server") as other:
        await fill(app)
        with gate(monkeypatch) as held:
            async with rebuilding(app, held) as task:
                await sql(app, "UPDATE everfold_leases SET expires = 0, owner = '' WHERE name = 'rebuild ledger'")
                held.arrived.clear()
                next_one = asyncio.create_task(other.projections.rebuild("ledger"))
                await held.arrival()
                held.open.set()
                found = await asyncio.gather(task, next_one, return_exceptions=True)
        (error,) = [each for each in found if isinstance(each, Exception)]
        assert "Another rebuild of the projection 'ledger' has begun" in str(error)
        assert await caught_up(app) == (await folded(app)).rows()
        assert (await app.projections.compare("ledger")).is_same


async def test_of_what_a_rebuild_of_dead_code_left_the_next_one_takes_the_place(store: StoreMaker) -> None:
    """The code has changed since, nobody runs the new one, and what was left is of this very code."""
    async with ledger_app(store) as app:
        await fill(app)
    async with ledger_app(store, Doubling, role="server") as app:
        row = f"SELECT name, 7, '{fingerprint(Doubling)}', 'building', 0, 0, 0, 0, NULL, 0 FROM everfold_consumers"  # noqa: S608
        await sql(app, f"INSERT INTO everfold_consumers {row}")
        number = await app.projections.rebuild("ledger")
        assert await states(app) == [(1, "retired"), (number, "active")]
        assert await balance(app) == 10


async def test_what_is_being_built_for_changed_code_is_not_disturbed(
    store: StoreMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ledger_app(store) as app:
        await fill(app)
    with gate(monkeypatch) as held:
        async with ledger_app(store, Doubling) as app:
            await held.arrival()
            with pytest.raises(EverfoldError, match="being built already, because its code has changed"):
                await app.projections.rebuild("ledger")
            held.open.set()


async def test_a_pause_ends_it(store: StoreMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        with gate(monkeypatch) as held:
            async with rebuilding(app, held) as task:
                await app.projections.pause("ledger", "a look at it")
                held.open.set()
                with pytest.raises(EverfoldError, match=r"paused while it was being rebuilt \(a look at it\)"):
                    await task
        assert await balance(app) == 5
        await app.projections.resume("ledger")
        assert (await app.projections.rebuild("ledger"), await balance(app)) == (2, 5)


async def test_it_comes_to_an_end_while_appends_never_pause(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        stop = False

        async def write(key: str) -> None:
            await app.execute(Open(account=key))
            while not stop:
                await app.execute(Pay(account=key, amount=1))
                await asyncio.sleep(0.002)  # in memory they would else leave no processor to project with

        writing = [asyncio.create_task(write(f"k{number}")) for number in range(8)]
        try:
            async with asyncio.timeout(60):
                for _ in range(3):
                    await app.projections.rebuild("ledger")
        finally:
            stop = True
            await asyncio.gather(*writing)
        assert await caught_up(app) == (await folded(app)).rows()


async def test_a_reset_begins_with_empty_tables_that_are_read_at_once(
    store: StoreMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        with gate(monkeypatch) as held:
            assert await app.projections.reset("ledger") == 2
            await held.arrival()
            assert await app.ask(AllRows()) == ([], [])
            held.open.set()
            assert await caught_up(app) == (await folded(app)).rows()


# --- comparing


async def test_what_a_rebuild_would_change_is_shown_and_nothing_is_changed(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await fill(app)
        assert (await app.projections.compare("ledger")).is_same
        await sql(app, "UPDATE balance__1 SET balance = 7 WHERE account = 'a1'")
        await sql(app, "DELETE FROM balance__1 WHERE account = 'a2'")
        await sql(app, "INSERT INTO owner__1 VALUES ('Zoe', 1, 1)")
        compared = await app.projections.compare("ledger")
        assert (compared.projection, compared.position, compared.is_same) == ("ledger", 4, False)
        balances, owners = compared.tables
        assert (balances.same, balances.changed, balances.added, balances.removed) == (0, 1, 1, 0)
        assert (owners.same, owners.changed, owners.added, owners.removed) == (1, 0, 0, 1)
        changed, added = balances.examples
        assert (changed.key, changed.fields, added.key) == (("a1",), ["balance"], ("a2",))
        assert changed.before
        assert changed.after
        assert (changed.before["balance"], changed.after["balance"]) == (7, 5)
        assert await balance(app) == 7
        assert await states(app) == [(1, "active")]


async def test_changed_code_is_compared_with_the_tables_of_the_old(store: StoreMaker) -> None:
    async with ledger_app(store, Ledger) as app:
        await fill(app)
    async with ledger_app(store, Kind, role="server") as app:
        compared = await app.projections.compare("ledger")
        (names,) = compared.tables
        assert (names.same, names.changed) == (0, 2)
        assert await states(app) == [(1, "active")]


async def test_there_has_to_be_something_to_compare_with(store: StoreMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ledger_app(store, role="server") as app:
        with pytest.raises(EverfoldError, match="does not exist"):
            await app.projections.compare("ledger")
    async with ledger_app(store) as app:
        await fill(app)
        row = Answers.row
        looks = 0

        async def behind(self: Answers) -> Any:
            nonlocal looks
            looks += 1
            found = await row(self)
            await app.store.append("account-a1", Paid(amount=1))
            await caught_up(app)
            return found

        with monkeypatch.context() as patch:
            patch.setattr(Answers, "row", behind)
            with pytest.raises(EverfoldError, match="moved all the time"):
                await app.projections.compare("ledger")
        assert looks > 1
        assert (await app.projections.compare("ledger")).is_same
