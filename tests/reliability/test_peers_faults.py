"""Faults that were reproduced in other event stores and concern the log. A test names the fault ours must not have."""

import asyncio
import shutil
import signal
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import pytest

from everfold.engines.sqlite.connection import APPLICATION_ID
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.errors import EverfoldError
from everfold.log.checkpoint import Checkpoint
from everfold.log.condition import Condition
from everfold.log.selection import EVERYTHING, Selection
from everfold.log.write import Appended, Conflicted, StreamAppend, Write
from everfold.testing.contracts.engine_case import fresh, one, stored, to_stream, whole_log
from tests.reliability.processes import Process


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A closed store of ten records, with a consumer that has dealt with eight."""
    engine = SqliteEngine(tmp_path / "log.db")
    await engine.open()
    await stored(engine, to_stream("thing-a", *fresh(amount=5)), to_stream("thing-b", *fresh(amount=5)))
    await stored(engine, Write(checkpoints=(Checkpoint("consumer", 8),)))
    await engine.close()
    return tmp_path / "log.db"


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncGenerator[SqliteEngine]:
    """An open, empty store."""
    engine = SqliteEngine(tmp_path / "open.db")
    await engine.open()
    yield engine
    await engine.close()


def delete_newest(path: Path, *, above: int) -> None:
    """Delete records with a SQL tool, by force."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER events_are_never_deleted")
        connection.execute("DELETE FROM events WHERE position > ?", (above,))


def dump_and_restore(path: Path) -> None:
    """What `.dump` writes, read into a new file. A dump leaves out the header: these two numbers go with it."""
    copy = path.with_name("restored.db")
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        (version,) = source.execute("PRAGMA user_version").fetchone()
        target.executescript("\n".join(source.iterdump()))
        target.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        target.execute(f"PRAGMA user_version = {version}")
    shutil.move(copy, path)


async def position_of_next(path: Path) -> int:
    """Where the next record goes."""
    engine = SqliteEngine(path)
    await engine.open()
    (done,) = await stored(engine, to_stream("thing-new"))
    await engine.close()
    return done.first


async def test_the_position_of_a_deleted_newest_event_is_not_given_again(path: Path) -> None:
    """Peer: positions are implicit row ids; after deleting the newest event the next one reuses its position."""
    delete_newest(path, above=7)
    assert await position_of_next(path) == 11
    assert await position_of_next(path) == 12


async def test_positions_are_not_reused_although_everything_was_deleted(path: Path) -> None:
    delete_newest(path, above=0)
    assert await position_of_next(path) == 11


async def test_positions_survive_vacuum(path: Path) -> None:
    delete_newest(path, above=7)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM")
    assert await position_of_next(path) == 11


async def test_dump_and_restore_keep_every_position_and_checkpoint(path: Path) -> None:
    """Peer: a dump and restore renumbered positions, so stored checkpoints point elsewhere."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER events_are_never_deleted")
        connection.execute("DELETE FROM events WHERE position IN (3, 10)")  # gaps that renumbering would close
    before = sqlite3.connect(path).execute("SELECT position, id FROM events ORDER BY position").fetchall()
    dump_and_restore(path)
    engine = SqliteEngine(path)
    await engine.open()
    assert [(record.position, record.id) for record in await whole_log(engine)] == before
    assert await engine.checkpoint("consumer") == 8
    await engine.close()
    assert await position_of_next(path) == 11


@pytest.mark.parametrize("expected", [0, 2, 6, 7, 100])
async def test_a_stream_cannot_have_versions_one_and_seven(engine: SqliteEngine, expected: int) -> None:
    """Peer: a stream accepted versions 1 and 7."""
    await stored(engine, to_stream("thing-a", expected=0))
    assert isinstance(await one(engine, to_stream("thing-a", expected=expected)), Conflicted)
    await stored(engine, to_stream("thing-a"))
    assert [record.version for record in await whole_log(engine)] == [1, 2]


async def test_versions_one_and_seven_written_by_force_are_found(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER events_are_never_changed")
        connection.execute("UPDATE events SET version = 7 WHERE position = 5")
    engine = SqliteEngine(path)
    await engine.open()
    assert [damage.position for damage in (await engine.verify(after=0, limit=99)).damages] == [5]
    await engine.close()


async def test_a_paused_writer_delays_the_tail_and_hides_nothing_from_it(engine: SqliteEngine) -> None:
    """Peer: a second writer overtook an uncommitted first; the tail reader skipped an event for ever.

    Here the second cannot overtake: positions are given under the lock that the first holds until it has committed.
    """
    seen: list[str] = []

    async def follow() -> None:
        while len(seen) < 3:
            await engine.wait(len(seen))
            seen.extend(record.stream for record in await engine.read(EVERYTHING, after=len(seen), limit=10))

    await stored(engine, to_stream("thing-first"))
    following = asyncio.create_task(follow())
    with Process("halt", Path(engine.path), "p") as paused:
        paused.go()
        paused.until("halted")
        paused.signal(signal.SIGSTOP)
        second = asyncio.create_task(engine.append([to_stream("thing-second")]))
        assert await engine.wait(1, timeout=0.2) == 1
        assert not second.done()
        assert seen == ["thing-first"]
        paused.signal(signal.SIGCONT)
        paused.go()
        async with asyncio.timeout(30):
            await following
        assert isinstance((await second)[0], Appended)
    assert seen == ["thing-first", "thing-halted", "thing-second"]


async def test_an_unconditional_append_does_not_slip_past_a_condition(engine: SqliteEngine) -> None:
    """Peer: appends without condition skipped the lock, and a conflict was lost."""
    for number in range(20):
        tag = f"seat:{number}"
        plain = to_stream(f"plain-{number}", *fresh(tags=(tag,)))
        guarded = Write(
            appends=(StreamAppend(f"guarded-{number}", fresh(tags=(tag,))),),
            condition=Condition(Selection(tags=(tag,)), 0),
        )
        done, judged = await asyncio.gather(one(engine, plain), one(engine, guarded))
        assert isinstance(done, Appended)
        assert isinstance(judged, Conflicted) or judged.first < done.first  # type: ignore[union-attr]


async def test_overlapping_conditions_exclude_each_other(engine: SqliteEngine) -> None:
    """Peer: a lock keyed by the hash of the whole query; overlapping queries both committed."""
    both = fresh("enrolled", tags=("course:1", "student:1"))
    by_course = Condition(Selection(tags=("course:1",)), 0)
    by_student = Condition(Selection(types=("enrolled",), tags=("student:1",)), 0)
    outcomes = await asyncio.gather(
        one(engine, Write(appends=(StreamAppend("enrolment-1", both),), condition=by_course)),
        one(
            engine,
            Write(appends=(StreamAppend("enrolment-2", fresh("enrolled", tags=("student:1",))),), condition=by_student),
        ),
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Appended", "Conflicted"]


async def test_a_long_foreign_transaction_lets_no_duplicate_through(engine: SqliteEngine) -> None:
    """Peer: a conflict check bounded by the oldest running transaction; a long one let a duplicate through."""
    with closing(sqlite3.connect(engine.path, isolation_level=None)) as foreign:
        foreign.execute("BEGIN")
        foreign.execute("SELECT count(*) FROM events").fetchone()
        await stored(engine, to_stream("thing-a", *fresh(tags=("t",))))
        late = Write(appends=(StreamAppend("thing-b", fresh()),), condition=Condition(Selection(tags=("t",)), 0))
        assert isinstance(await one(engine, late), Conflicted)
        assert await engine.wait(0) == 1
        assert len(await engine.read(EVERYTHING, limit=10)) == 1


async def test_two_applications_never_touch_each_other(tmp_path: Path) -> None:
    """Peer: a stored function's name ignored the table; one application's event landed in another's table."""
    bank, shop = SqliteEngine(tmp_path / "bank.db"), SqliteEngine(tmp_path / "shop.db")
    await asyncio.gather(bank.open(), shop.open())
    await asyncio.gather(
        *(stored(engine, to_stream("thing-a")) for engine in (bank, shop) for _ in range(10)),
    )
    ids = [{record.id for record in await whole_log(engine)} for engine in (bank, shop)]
    assert [len(own) for own in ids] == [10, 10]
    assert ids[0] & ids[1] == set()
    await asyncio.gather(bank.close(), shop.close())


async def test_parallel_writes_never_fail_with_busy(tmp_path: Path) -> None:
    """Peer: parallel writes on SQLite fail with SQLITE_BUSY."""
    engines = [SqliteEngine(tmp_path / "log.db") for _ in range(4)]
    await asyncio.gather(*(engine.open() for engine in engines))
    work = [stored(engine, to_stream(f"thing-{number}")) for number in range(25) for engine in engines]
    results = await asyncio.gather(*work, return_exceptions=True)
    assert [result for result in results if isinstance(result, EverfoldError)] == []
    assert [record.position for record in await whole_log(engines[0])] == list(range(1, 101))
    await asyncio.gather(*(engine.close() for engine in engines))


async def test_an_event_committed_between_the_first_read_and_the_wait_is_not_missed(engine: SqliteEngine) -> None:
    """Peer: an event committed between first read and LISTEN is delivered only when the next one comes."""
    other = SqliteEngine(engine.path)
    await other.open()
    for number in range(10):
        page = await engine.read(EVERYTHING, after=number, limit=10)
        assert list(page) == []
        await stored(other, to_stream("thing-a"))  # in between
        async with asyncio.timeout(30):
            assert await engine.wait(number) == number + 1
    await other.close()
