"""Inline projections: their rows and the events are stored together or not at all, whoever appends."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from everfold import App, Position, Rejected
from everfold.errors import ProjectionFailed
from everfold.projections import inline, rebuild
from everfold.projections.build_consumer import build_up
from tests.app.bank import Account, Open, Pay, Take, Unexpected
from tests.app.stores import StoreMaker
from tests.projections.ledger import (
    TOO_MUCH,
    UNLUCKY,
    GetBalance,
    caught_up,
    eventually,
    folded,
    ledger_app,
)


@pytest.fixture
def file(tmp_path: Path) -> StoreMaker:
    """A store that programs share who know nothing of each other."""
    return lambda: str(tmp_path / "bank.db")


def stranger(file: StoreMaker) -> App:
    """A program that does not know the projection."""
    return App("bank", Account, Unexpected, store=file())


async def balance(app: App, account: str = "a1") -> int:
    """Without ``after=``: what was appended has to be there."""
    return (await app.ask(GetBalance(account=account))).balance


async def test_rows_are_there_as_soon_as_the_command_is(store: StoreMaker) -> None:
    async with ledger_app(store, mode="inline") as app:
        await app.execute(Open(account="a1"))
        for number in range(1, 20):
            await app.execute(Pay(account="a1", amount=1))
            assert await balance(app) == number


@pytest.mark.parametrize(("amount", "problem"), [(UNLUCKY, "ValueError: unlucky"), (TOO_MUCH, "OverflowError")])
async def test_a_projection_that_fails_stores_nothing(store: StoreMaker, amount: int, problem: str) -> None:
    """Whether the handler fails or the row that it makes."""
    async with ledger_app(store, mode="inline") as app:
        await app.execute(Open(account="a1"))
        await app.execute(Pay(account="a1", amount=1))
        for _ in range(2):
            with pytest.raises(ProjectionFailed, match=problem):
                await app.execute(Pay(account="a1", amount=amount))
        assert await app.store.head() == 2
        assert await balance(app) == 1
        await app.execute(Pay(account="a1", amount=2))
        assert await balance(app) == 3
        assert await app.projections.parked() == []


async def test_of_several_writes_of_a_batch_only_the_one_that_fails_is_refused(store: StoreMaker) -> None:
    async with ledger_app(store, mode="inline") as app:
        for key in ("a1", "a2", "a3"):
            await app.execute(Open(account=key))
        writes: list[Any] = [
            app.execute(Pay(account="a1", amount=1)),
            app.execute(Pay(account="a2", amount=UNLUCKY)),
            app.execute(Pay(account="a3", amount=TOO_MUCH)),
            app.execute(Take(account="a1", amount=1)),
        ]
        found = await asyncio.gather(*writes, return_exceptions=True)
        assert [type(each) for each in found[1:3]] == [ProjectionFailed, ProjectionFailed]
        assert not isinstance(found[0], BaseException)
        assert isinstance(found[3], Rejected) or not isinstance(found[3], BaseException)
        assert await caught_up(app) == (await folded(app)).rows()
        assert (await folded(app)).aside == {}


@pytest.mark.parametrize("largest_gap", [2, 1_000])
async def test_what_programs_appended_that_do_not_know_it_is_made_up_for(
    file: StoreMaker, largest_gap: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inline, "LARGEST_GAP", largest_gap)
    async with ledger_app(file, mode="inline") as app:
        await app.execute(Open(account="a1"))
        async with stranger(file) as other:
            for _ in range(5):
                await other.execute(Pay(account="a1", amount=1))
        done = await app.execute(Pay(account="a1", amount=1))
        assert (await app.ask(GetBalance(account="a1"), after=done)).balance == 6
        if largest_gap == 1_000:
            assert await balance(app) == 6

        async def is_in_step() -> bool:
            before = await balance(app)
            await app.execute(Pay(account="a1", amount=1))
            return await balance(app) == before + 1

        await eventually(is_in_step)
        assert await caught_up(app) == (await folded(app)).rows()


async def test_a_stranger_may_append_what_cannot_be_applied(file: StoreMaker) -> None:
    """Then it is too late to refuse it: it is set aside, and the others go on."""
    async with ledger_app(file, mode="inline") as app:
        for key in ("a1", "a2"):
            await app.execute(Open(account=key))
        async with stranger(file) as other:
            await other.execute(Pay(account="a1", amount=UNLUCKY))
            await other.execute(Pay(account="a2", amount=1))
        done = await app.execute(Pay(account="a2", amount=1))
        assert (await app.ask(GetBalance(account="a2"), after=done)).balance == 2
        (parked,) = await app.projections.parked()
        assert (parked.position, parked.error) == (3, "ValueError: unlucky")
        await app.execute(Pay(account="a1", amount=1))
        assert (await app.ask(GetBalance(account="a1"), after=Position(await app.store.head()))).balance == 0
        assert (await app.projections.skip("ledger", 3, reason="a stranger's")).applied == 2
        assert await balance(app) == 1


async def test_two_programs_append_in_turns(store: StoreMaker) -> None:
    async with ledger_app(store, mode="inline") as one, ledger_app(store, mode="inline") as other:
        await one.execute(Open(account="a1"))
        for number in range(1, 11):
            await one.execute(Pay(account="a1", amount=1))
            assert await balance(other) == 2 * number - 1
            await other.execute(Pay(account="a1", amount=1))
            assert await balance(one) == 2 * number


async def test_a_paused_one_is_behind_and_catches_up(store: StoreMaker) -> None:
    async with ledger_app(store, mode="inline") as app:
        await app.execute(Open(account="a1"))
        await app.projections.pause("ledger", "a look at it")
        for _ in range(3):
            await app.execute(Pay(account="a1", amount=1))
        assert await balance(app) == 0

        async def says_so() -> bool:
            status = await app.projections.status("ledger")
            return (status.state, status.problem) == ("paused", "a look at it")

        await eventually(says_so)
        await app.projections.resume("ledger")

        async def is_live() -> bool:
            status = await app.projections.status("ledger")
            return (status.state, status.problem, status.lag) == ("live", None, 0)

        await eventually(is_live)
        assert await balance(app) == 3


@pytest.mark.parametrize("what", ["rebuild", "reset"])
async def test_the_next_append_writes_to_the_new_tables(store: StoreMaker, what: str) -> None:
    """Also that of another program, before it has looked around."""
    async with ledger_app(store, mode="inline") as app, ledger_app(store, mode="inline") as other:
        await app.execute(Open(account="a1"))
        for number in range(1, 5):
            await getattr(app.projections, what)("ledger")
            await (app, other)[number % 2].execute(Pay(account="a1", amount=1))
            assert await balance(app) == await balance(other) == number


async def test_it_is_rebuilt_while_appends_never_pause(store: StoreMaker) -> None:
    async with ledger_app(store, mode="inline") as app:
        stop = False

        async def write(key: str) -> int:
            await app.execute(Open(account=key))
            count = 0
            while not stop:
                await app.execute(Pay(account=key, amount=1))
                count += 1
                assert await balance(app, key) == count, "at any moment"
            return count

        writing = [asyncio.create_task(write(f"k{number}")) for number in range(8)]
        try:
            async with asyncio.timeout(20):
                builds = [await app.projections.rebuild("ledger") for _ in range(3)]
        finally:
            stop = True
            counts = await asyncio.gather(*writing)
        assert len(set(builds)) == 3
        assert min(counts) > 0
        assert await caught_up(app) == (await folded(app)).rows()


async def test_what_cannot_be_applied_is_set_aside_by_a_rebuild(
    file: StoreMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if it comes at the last moment, when the tables are to be switched."""
    rounds = 0
    async with ledger_app(file, mode="inline") as app, stranger(file) as other:
        await app.execute(Open(account="a1"))

        async def slow(*arguments: Any, **options: Any) -> None:
            nonlocal rounds
            await build_up(*arguments, **options)
            rounds += 1
            if rounds == 1:
                await other.execute(Pay(account="a1", amount=1))
                await other.execute(Pay(account="a1", amount=UNLUCKY))

        monkeypatch.setattr(rebuild, "build_up", slow)
        assert await app.projections.rebuild("ledger") == 2
        assert rounds == 2
        (parked,) = await app.projections.parked()
        assert (parked.build, parked.position, parked.error) == (2, 3, "ValueError: unlucky")
        assert await balance(app) == 1


async def test_a_rebuild_that_is_far_behind_again_goes_on_building(
    file: StoreMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock of the log is not held for long."""
    monkeypatch.setattr(rebuild, "LARGEST_GAP", 2)
    gaps = [3, 2]
    async with ledger_app(file, mode="inline") as app, stranger(file) as other:
        await app.execute(Open(account="a1"))

        async def slow(*arguments: Any, **options: Any) -> None:
            await build_up(*arguments, **options)
            for _ in range(gaps.pop(0)):
                await other.execute(Pay(account="a1", amount=1))

        monkeypatch.setattr(rebuild, "build_up", slow)
        assert await app.projections.rebuild("ledger") == 2
        assert (gaps, await balance(app)) == ([], 5)
