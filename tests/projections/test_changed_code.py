"""A projection whose code was changed: built beside the live one, read as soon as it is finished, and the way back."""

from __future__ import annotations

import pytest

from everfold import App, Position
from everfold.errors import EverfoldError, ReadModelNotReady
from everfold.projections.projection import Mode, Projection
from tests.app.bank import Opened, Paid
from tests.app.stores import StoreMaker
from tests.projections.changed import Bare, Doubling, FindNames, GetName, Kind, Name
from tests.projections.gate import gate
from tests.projections.ledger import AllRows, Balance, GetBalance, Ledger, caught_up, eventually, ledger_app


async def fill(app: App) -> None:
    await app.store.append("account-a1", Opened(owner="Ann"))
    await app.store.append("account-a1", Paid(amount=5))
    await caught_up(app)


async def balance(app: App) -> int:
    return (await app.ask(GetBalance(account="a1"))).balance


async def built(app: App) -> int | None:
    """The build that is read, as soon as nothing is being built."""

    async def is_built() -> bool:
        return (await app.projections.status("ledger")).building is None

    await eventually(is_built)
    return (await app.projections.status("ledger")).build


def inline(code: type[Projection]) -> type[Projection]:
    made: type[Projection] = type(code.__name__, (code,), {"__module__": __name__}, mode="inline", name="ledger")
    return made


@pytest.mark.parametrize("mode", ["async", "inline"])
async def test_readers_keep_the_old_tables_until_the_new_ones_are_finished(
    store: StoreMaker, mode: Mode, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (Ledger, Doubling) if mode == "async" else (inline(Ledger), inline(Doubling))
    async with ledger_app(store, old) as app:
        await fill(app)
    with gate(monkeypatch) as building:
        async with ledger_app(store, new) as app:
            await building.arrival()
            status = await app.projections.status("ledger")
            assert (status.build, status.building) == (1, 0)
            assert await balance(app) == 5
            building.open.set()
            assert await built(app) == 2
            assert await balance(app) == 10
            await app.store.append("account-a1", Paid(amount=1))
            assert (await caught_up(app))[0][0].balance == 12


@pytest.mark.parametrize("mode", ["async", "inline"])
async def test_going_back_to_the_old_code_is_going_back_to_its_tables(store: StoreMaker, mode: Mode) -> None:
    old, new = (Ledger, Doubling) if mode == "async" else (inline(Ledger), inline(Doubling))
    async with ledger_app(store, old) as app:
        await fill(app)
    async with ledger_app(store, new) as app:
        assert await built(app) == 2
        await app.store.append("account-a1", Paid(amount=1))
        assert (await caught_up(app))[0][0].balance == 12
    async with ledger_app(store, old) as app:
        rows, _ = await caught_up(app)
        assert rows[0].balance == 6, "its own tables, with what came meanwhile"
        assert await built(app) == 1

        async def is_shown() -> bool:
            database = app.store.engine.beside if mode == "inline" else app.store.engine.views
            found = await database.read(lambda c: c.execute("SELECT balance FROM balance").fetchall())
            return bool(found == [(6,)])

        await eventually(is_shown)
    async with ledger_app(store, new) as app:
        assert (await caught_up(app))[0][0].balance == 12
        assert await built(app) == 2


async def test_an_old_and_a_new_program_each_answer_from_their_own(store: StoreMaker) -> None:
    async with ledger_app(store, Ledger) as old:
        await fill(old)
        async with ledger_app(store, Doubling) as new:
            assert await built(new) == 2
            await new.store.append("account-a1", Paid(amount=1))
            for _ in range(3):
                assert (await caught_up(old))[0][0].balance == 6
                assert (await caught_up(new))[0][0].balance == 12
            active = "SELECT build FROM everfold_consumers WHERE state = 'active'"
            found = await new.store.engine.views.read(lambda c: c.execute(active).fetchall())
            assert found == [(2,)], "they do not fight for it"


async def test_the_same_code_keeps_its_build(store: StoreMaker) -> None:
    async with ledger_app(store) as app:
        await fill(app)
    async with ledger_app(store) as app:
        assert await built(app) == 1


async def test_another_shape_that_old_rows_cannot_answer(store: StoreMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    async with ledger_app(store, Ledger) as app:
        await fill(app)
    with gate(monkeypatch) as building:
        async with ledger_app(store, Kind) as app:
            await building.arrival()
            for query in (GetName(account="a1"), FindNames(length=3)):
                with pytest.raises(ReadModelNotReady, match="their old shape cannot answer this query"):
                    await app.ask(query)
            building.open.set()
            assert await built(app) == 2
            assert await app.ask(GetName(account="a1")) == Name("a1", "Ann", 3)
            assert await app.ask(FindNames(length=3)) == 1


async def test_errors_that_are_answers_stay_what_they_are_meanwhile(
    store: StoreMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ledger_app(store, Ledger) as app:
        await fill(app)
    with gate(monkeypatch) as building:
        async with ledger_app(store, Doubling) as app:
            await building.arrival()
            with pytest.raises(EverfoldError, match="There is no Balance 'a2'"):
                await app.ask(GetBalance(account="a2"))
            building.open.set()


async def test_a_projection_that_is_new_needs_no_change_of_the_write_side(store: StoreMaker) -> None:
    async with ledger_app(store, Doubling) as app:
        await fill(app)

    class Newcomer(Bare, name="newcomer"):
        pass

    async with ledger_app(store, Newcomer) as app:
        rows, _ = await app.ask(AllRows(), after=Position(await app.store.head()))
        assert rows == [Balance("a1", "ANN")]
        assert app.projections.names() == ["newcomer"]
        with pytest.raises(EverfoldError, match="There are: newcomer"):
            await app.projections.status("ledger")
