"""Random histories: whatever the mode and the batches, the tables equal the plain fold of the log."""

from __future__ import annotations

import asyncio
import tempfile
import uuid
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from everfold import App, Position
from everfold.errors import ProjectionFailed
from everfold.log.engine import Engine
from everfold.projections.projection import Mode
from tests.app.bank import Noted, Opened, Paid, Refused, Took, Unexpected
from tests.app.stores import SharedMemory
from tests.postgres.server import PostgresServer
from tests.projections.ledger import TOO_MUCH, UNLUCKY, AllRows, caught_up, folded, ledger_app

ACCOUNTS = st.sampled_from(["a1", "a2", "a3", "a4"])
EVENTS = st.one_of(
    st.builds(Opened, owner=st.sampled_from(["Ann", "Bob"])),
    st.builds(Paid, amount=st.sampled_from([1, 2, 5, 5, 5, UNLUCKY, TOO_MUCH])),
    st.builds(Took, amount=st.integers(1, 3)),
    st.builds(Noted, lines=st.lists(st.sampled_from(["x", ""]), max_size=2)),
    st.builds(Refused, amount=st.just(1)),
    st.builds(Unexpected),
)
APPENDS = st.tuples(ACCOUNTS, st.lists(EVENTS, min_size=1, max_size=4))
OPENING = [(name, [Opened(owner=owner)]) for name, owner in [("a1", "Ann"), ("a2", "Bob"), ("a3", "Ann")]]
HISTORIES = st.lists(APPENDS, max_size=12).map(lambda appends: [*OPENING, *appends])
History = list[tuple[str, list[object]]]
PHASES = (Phase.explicit, Phase.reuse, Phase.generate)  # one that hangs would take long to shrink


async def append(app: App, history: History) -> None:
    for account, events in history:
        try:
            await app.store.append(f"account-{account}", *events)
        except ProjectionFailed:
            assert app.parts.projections[0].__everfold__.mode == "inline"


async def check(app: App) -> None:
    fold = await folded(app)
    assert await caught_up(app) == fold.rows()
    if app.parts.projections[0].__everfold__.mode != "live":
        parked = {parked.position for parked in await app.projections.parked()}
        assert parked == {positions[0] for positions in fold.aside.values()}
        (status,) = await app.projections.statuses()
        assert (status.parked, status.waiting) == (len(parked), sum(len(each) - 1 for each in fold.aside.values()))


async def run(store: str | Engine, mode: Mode, before: History, after: History, positions: list[int]) -> None:
    async with ledger_app(lambda: store, mode="live") as app:  # so that the other modes have something to catch up on
        await append(app, before)
    async with ledger_app(lambda: store, mode=mode, read_timeout=5.0) as app:
        await append(app, after)
        await check(app)
        head = await app.store.head()
        for position in positions:
            until = min(position, head)
            expected = (await folded(app, until)).rows()
            assert await app.ask(AllRows(), as_of=Position(position)) == expected
        if mode != "live":
            assert (await app.projections.compare("ledger")).is_same
            await app.projections.rebuild("ledger")
        await check(app)
    async with ledger_app(lambda: store, mode=mode, read_timeout=5.0) as app:
        await append(app, [("a4", [Opened(owner="Cid")])])
        await check(app)


@pytest.mark.parametrize("mode", ["async", "inline", "live"])
def test_on_a_memory_store(mode: Mode) -> None:
    @given(HISTORIES, HISTORIES, st.lists(st.integers(0, 60), max_size=4))
    @settings(max_examples=12, deadline=None, phases=PHASES)
    def agree(before: History, after: History, positions: list[int]) -> None:
        asyncio.run(run(SharedMemory(), mode, before, after, positions))

    agree()


@pytest.mark.parametrize("mode", ["async", "inline", "live"])
def test_on_an_sqlite_store(mode: Mode) -> None:
    @given(HISTORIES, HISTORIES, st.lists(st.integers(0, 60), max_size=2))
    @settings(max_examples=5, deadline=None, phases=PHASES)
    def agree(before: History, after: History, positions: list[int]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            asyncio.run(run(str(Path(folder) / "bank.db"), mode, before, after, positions))

    agree()


@pytest.mark.parametrize("mode", ["async", "inline"])
def test_on_a_postgres_store(mode: Mode, postgres_server: PostgresServer) -> None:
    @given(HISTORIES, HISTORIES, st.lists(st.integers(0, 60), max_size=2))
    @settings(max_examples=5, deadline=None, phases=PHASES)
    def agree(before: History, after: History, positions: list[int]) -> None:
        url = postgres_server.url(schema=f"test_{uuid.uuid4().hex[:12]}")
        asyncio.run(run(url, mode, before, after, positions))

    agree()
