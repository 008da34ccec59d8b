"""The examination that follows every kill is able to fail: it names what each planted fault is."""

import asyncio
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import pytest

from everfold import App
from tests.reliability.read_side.examination import Examiner
from tests.reliability.read_side.ledger import (
    EVENTS,
    FOLDS,
    UNLUCKY,
    Cancelled,
    Closed,
    Noted,
    Opened,
    Paid,
    Placed,
    projections,
)

HEAD = 12


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of twelve records whose projections have caught up, with a stream that waits behind its third record."""
    folder = tmp_path_factory.mktemp("whole")
    asyncio.run(make(folder))
    return folder


async def make(folder: Path) -> None:
    async with App("ledger", *projections(), store=str(folder / "ledger.db"), events=EVENTS) as app:
        append = app.store.append
        await append("account-a", Opened(owner="Ann"), Paid(amount=20), Paid(amount=UNLUCKY), Paid(amount=5))
        await append("account-b", Opened(owner="Bob"), Paid(amount=30))
        for number in (1, 2, 3):
            await append(f"order-{number}", Placed(account="b" if number < 3 else "a", total=number))
        await append("order-1", Cancelled(reason="too late"))
        await append("account-a", Closed(reason="moved"))
        done = await append("note-1", Noted(text="by the way"))
        for name in FOLDS:
            await app.projections.rebuild(name)  # two builds of each: both are examined
        assert done.last == HEAD
        await caught_up(app)


async def caught_up(app: App) -> None:
    while any(status.lag for status in await app.projections.statuses()):
        await app.clock.sleep(0.005)


@pytest.fixture
def views(whole: Path, tmp_path: Path) -> Generator[sqlite3.Connection]:
    """The views of a copy, to be tampered with."""
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    with closing(sqlite3.connect(tmp_path / "ledger.views.db", isolation_level=None)) as connection:
        yield connection


def test_nothing_is_wrong_with_what_nobody_touched(views: sqlite3.Connection, tmp_path: Path) -> None:
    examiner = Examiner(tmp_path / "ledger.db")
    assert examiner.faults() == []
    assert examiner.is_caught_up()
    assert len(examiner.log) == HEAD
    assert {build.state for build in examiner.builds} == {"active", "retired"}
    newest = views.execute("SELECT position, state FROM everfold_parked ORDER BY build DESC, position LIMIT 2")
    assert newest.fetchall() == [(3, "parked"), (4, "waiting")]


@pytest.mark.parametrize(
    ("name", "statement"),
    [
        ("A15", "DELETE FROM {entry} WHERE position = 11"),
        ("A15", "UPDATE {balance} SET balance = 0, payments = 0 WHERE account = 'b'"),
        ("A15", "INSERT INTO {open_order} VALUES ('1', 'b', 1)"),
        ("A16", "UPDATE {balance} SET balance = balance + 30 WHERE account = 'b'"),
        ("A16", "UPDATE {turnover} SET payments = payments + 1 WHERE account = 'b'"),
        ("A16", "INSERT INTO {entry} VALUES (12, 'note-1', 'noted', 0)"),
        ("A16", "DELETE FROM everfold_parked WHERE state = 'waiting'"),
        ("A16", "UPDATE everfold_consumers SET position = 9 WHERE name = 'open-orders' AND state = 'active'"),
        ("A15", "UPDATE everfold_consumers SET position = 13 WHERE name = 'entries' AND state = 'active'"),
        ("A18", "UPDATE everfold_consumers SET token = 9 WHERE name = 'entries' AND state = 'active'"),
        ("several builds are active", "UPDATE everfold_consumers SET state = 'active'"),
        ("no build is active", "UPDATE everfold_consumers SET state = 'retired' WHERE name = 'entries'"),
        ("tables of no build", "CREATE TABLE entry__77 (position)"),
        ("its plain name", "DROP VIEW entry; CREATE VIEW entry AS SELECT * FROM {entry} WHERE position < 5"),
    ],
)
def test_every_fault_is_named(views: sqlite3.Connection, tmp_path: Path, name: str, statement: str) -> None:
    """Names in braces mean the tables of the active builds."""
    builds = dict(views.execute("SELECT name, build FROM everfold_consumers WHERE state = 'active'").fetchall())
    tables = {fold.table: f"{fold.table}__{builds[projection]}" for projection, fold in FOLDS.items()}
    views.executescript(statement.format(**tables))
    faults = Examiner(tmp_path / "ledger.db").faults()
    assert any(name in fault for fault in faults), faults


def test_a_token_that_goes_back_is_noticed(views: sqlite3.Connection, tmp_path: Path) -> None:
    examiner = Examiner(tmp_path / "ledger.db")
    views.execute("UPDATE everfold_leases SET token = 5")
    assert examiner.faults() == []
    views.execute("UPDATE everfold_leases SET token = 4")
    assert all("A18" in fault for fault in examiner.faults())
    views.execute("DELETE FROM everfold_leases")
    assert len(examiner.faults()) >= len(FOLDS)


def test_an_active_build_that_is_behind_is_not_caught_up(views: sqlite3.Connection, tmp_path: Path) -> None:
    examiner = Examiner(tmp_path / "ledger.db")
    views.execute("UPDATE everfold_consumers SET position = 11 WHERE name = 'entries' AND state = 'active'")
    assert examiner.faults() == []  # the last record is one that it ignores
    assert not examiner.is_caught_up()
