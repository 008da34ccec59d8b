"""The views of a SQLite store: a file of its own, made when it is needed, refused when foreign, bounded, crash-safe."""

import asyncio
import fcntl
import os
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import pytest

from everfold.engines.sqlite import read_database, writer
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.engines.sqlite.file_kind import VIEWS
from everfold.engines.sqlite.read_database import views_path
from everfold.errors import NotAStore, StoreBusy, StoreClosed, StoreCorrupt, StoreError, StoreTooNew, StoreUnavailable
from everfold.testing.contracts.engine_case import stored, to_stream
from everfold.testing.contracts.read_databases import create_rows, names, putting
from tests.engines.failing_connection import FailingConnection, failing, failing_connections, sqlite_error
from tests.engines.views_writer import ROWS
from tests.reliability.processes import ROOT, unmeasured


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The log file of a store that does not exist yet."""
    return tmp_path / "bank.db"


@asynccontextmanager
async def opened(path: Path, *, lock_timeout: float = 30.0) -> AsyncGenerator[SqliteEngine]:
    engine = SqliteEngine(path, lock_timeout=lock_timeout)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


def views_of(path: Path) -> Path:
    return path.with_name("bank.views.db")


async def some_views(path: Path, *added: str) -> Path:
    """A store whose views hold these rows, closed."""
    async with opened(path) as engine:
        await engine.views.write(create_rows)
        await engine.views.write(putting(*added))
    return views_of(path)


@pytest.mark.parametrize(
    ("log", "views"), [("bank.db", "bank.views.db"), ("a/b.x.db", "a/b.x.views.db"), ("bank", "bank.views")]
)
def test_the_name_of_the_file(log: str, views: str) -> None:
    assert views_path(log) == views


async def test_the_file_is_made_when_it_is_first_used(path: Path) -> None:
    async with opened(path) as engine:
        await stored(engine, to_stream("thing-a"))
        await engine.beside.write(create_rows)
        assert not views_of(path).exists()
        await engine.views.read(lambda _: None)
        assert views_of(path).exists()
    with closing(sqlite3.connect(views_of(path))) as connection:
        assert connection.execute("PRAGMA application_id").fetchone() == (0x45765677,)
        assert VIEWS.application_id.to_bytes(4, "big") == b"EvVw"


async def test_many_that_use_it_first_at_the_same_time_open_it_once(path: Path) -> None:
    async with opened(path) as one, opened(path) as two:
        await asyncio.gather(*(engine.views.write(create_rows) for engine in (one, two) for _ in range(10)))
        assert sum(thread.name == "everfold-views-writer" for thread in threading.enumerate()) == 2
        for number in range(10):
            engine, other = (one, two) if number % 2 else (two, one)
            await engine.views.write(putting(str(number)))
            assert len(await other.views.read(names)) == number + 1
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("everfold-views")] == []


async def test_its_settings_are_those_of_the_log_but_for_the_sync(path: Path) -> None:
    def settings(connection: Any) -> list[object]:
        pragmas = ("journal_mode", "synchronous", "wal_autocheckpoint", "query_only")
        return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in pragmas]

    async with opened(path) as engine:
        assert await engine.views.write(settings) == ["wal", 1, 0, 0]
        assert await engine.views.read(settings) == ["wal", 1, 0, 1]
        assert await engine.beside.write(settings) == ["wal", 2, 0, 0]
        assert await engine.beside.read(settings) == ["wal", 2, 0, 1]
    engine = SqliteEngine(path, synchronous="off")
    await engine.open()
    assert await engine.views.write(settings) == ["wal", 0, 0, 0]
    await engine.close()


async def refused(path: Path, error: type[StoreError], match: str) -> None:
    """The views cannot be used, nothing of them changes, and the log is as good as ever."""
    before = {file.name: file.read_bytes() for file in path.parent.glob("*views*")}
    async with opened(path) as engine:
        for _ in range(2):
            with pytest.raises(error, match=match):
                await engine.views.write(create_rows)
        await stored(engine, to_stream("thing-a"))
    assert {file.name: file.read_bytes() for file in path.parent.glob("*views*")} == before


async def test_a_text_file_is_refused_and_left_untouched(path: Path) -> None:
    views_of(path).write_text("Dear diary, today I saw a view.\n" * 50)
    await refused(path, NotAStore, "move it away")


async def test_a_database_of_another_application_is_refused_and_left_untouched(path: Path) -> None:
    with closing(sqlite3.connect(views_of(path))) as connection:
        connection.execute("CREATE TABLE notes (text)")
    await refused(path, NotAStore, "another application.*move it away")


async def test_a_log_is_refused_in_the_place_of_views(path: Path) -> None:
    async with opened(views_of(path)) as engine:
        await stored(engine, to_stream("thing-a"))
    views_of(path).with_name("bank.views.db-lock").unlink()
    await refused(path, NotAStore, "another application")


async def test_a_folder_in_its_place_is_refused(path: Path) -> None:
    views_of(path).mkdir()
    async with opened(path) as engine:
        with pytest.raises(NotAStore, match="is a folder"):
            await engine.views.read(names)


async def test_newer_views_are_refused(path: Path) -> None:
    with closing(sqlite3.connect(await some_views(path))) as connection:
        connection.execute("PRAGMA user_version = 9")
    await refused(path, StoreTooNew, "9")


async def test_views_that_were_cut_off_say_how_to_mend_them(path: Path) -> None:
    views = await some_views(path, *(f"{number:09}" * 30 for number in range(200)))
    os.truncate(views, views.stat().st_size - 5_000)
    await refused(path, StoreCorrupt, r"Delete it.*built again")


async def test_damage_that_a_job_meets_says_how_to_mend_it(path: Path) -> None:
    views = await some_views(path, *(f"{number:09}" * 30 for number in range(200)))
    content = bytearray(views.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    views.write_bytes(content)
    async with opened(path) as engine:
        with pytest.raises(StoreCorrupt, match=r"Delete it.*built again"):
            await engine.views.read(names)
        with pytest.raises(StoreCorrupt, match=r"Delete it.*built again"):
            await engine.views.write(putting("a"))


@pytest.mark.parametrize("leftover", [False, True])
async def test_a_deleted_file_comes_back_empty(path: Path, leftover: bool) -> None:
    views = await some_views(path, "a")
    if leftover:
        async with opened(path) as engine:
            await engine.views.write(putting("b"))
            log = views.with_name("bank.views.db-wal").read_bytes()
        views.with_name("bank.views.db-wal").write_bytes(log)
        assert log
    views.unlink()
    async with opened(path) as engine:
        tables = await engine.views.read(
            lambda connection: connection.execute("SELECT * FROM sqlite_schema").fetchall()
        )
        assert tables == []
        await engine.views.write(create_rows)
        assert await engine.views.read(names) == []


@pytest.mark.parametrize("name", ["views", "beside"])
async def test_the_write_ahead_log_does_not_grow_for_ever(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    for module in (read_database, writer):
        monkeypatch.setattr(module, "CHECKPOINT_BYTES", 100_000)
    log = path.with_name("bank.views.db-wal" if name == "views" else "bank.db-wal")
    async with opened(path) as engine:
        database = getattr(engine, name)
        await database.write(create_rows)
        for number in range(300):
            await database.write(putting(f"{number}" + "x" * 20_000))
            await database.read(names)
        assert log.stat().st_size < 2_000_000
        assert log.with_name(log.name.removesuffix("-wal")).stat().st_size > 4_000_000
    assert not log.exists()


async def test_nobody_commits_or_moves_the_log_without_the_lock(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[tuple[str, bool]] = []
    monkeypatch.setattr(read_database, "CHECKPOINT_BYTES", -1)

    def look(connection: FailingConnection, sql: str) -> None:
        if sql == "COMMIT" or sql.startswith("PRAGMA wal_checkpoint"):
            held.append((sql, is_held(path.with_name("bank.views.db-lock"))))

    with failing_connections(), failing(look):
        async with opened(path) as engine:
            await asyncio.gather(*(engine.views.write(create_rows) for _ in range(10)))
    assert len(held) == 20
    assert all(found for _, found in held)
    assert not is_held(path.with_name("bank.views.db-lock"))


def is_held(lock: Path) -> bool:
    descriptor = os.open(lock, os.O_RDWR)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


async def test_a_lock_that_others_keep_makes_it_busy(path: Path) -> None:
    await some_views(path)
    async with opened(path, lock_timeout=0.05) as engine:
        assert await engine.views.read(names) == []
        descriptor = os.open(path.with_name("bank.views.db-lock"), os.O_RDWR)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(StoreBusy, match=r"bank\.views\.db-lock"):
            await engine.views.write(putting("a"))
        await stored(engine, to_stream("thing-a"))
        os.close(descriptor)
        await engine.views.write(putting("a"))


async def test_opening_that_fails_leaves_nothing_and_is_tried_again(path: Path) -> None:
    def fault(connection: FailingConnection, sql: str) -> None:
        if "journal_mode" in sql:
            raise sqlite_error(sqlite3.SQLITE_IOERR)

    async with opened(path) as engine:
        with failing_connections(), failing(fault), pytest.raises(StoreUnavailable):
            await engine.views.write(create_rows)
        assert [thread.name for thread in threading.enumerate() if "views" in thread.name] == []
        await engine.views.write(create_rows)


async def test_a_caller_that_is_cancelled_while_it_opens_disturbs_nobody(path: Path) -> None:
    async with opened(path) as engine:
        first = asyncio.create_task(engine.views.write(create_rows))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await engine.views.write(create_rows)


async def test_closing_while_it_is_being_opened(path: Path) -> None:
    engine = SqliteEngine(path)
    await engine.open()
    tasks = [asyncio.create_task(engine.views.write(create_rows)) for _ in range(3)]
    await asyncio.sleep(0)
    await engine.close()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} <= {type(None), StoreClosed}
    assert [thread.name for thread in threading.enumerate() if "views" in thread.name] == []


async def test_a_log_whose_views_fail_to_close_is_closed(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_: object) -> None:
        raise ValueError("a bug")

    engine = SqliteEngine(path)
    await engine.open()
    with monkeypatch.context() as context, pytest.raises(ValueError, match="a bug"):
        context.setattr(read_database.Views, "close", fail)
        await engine.close()
    assert [thread.name for thread in threading.enumerate() if "sqlite" in thread.name] == []


@pytest.mark.parametrize("attempt", range(3))
async def test_a_killed_process_leaves_whole_transactions(path: Path, attempt: int) -> None:
    with subprocess.Popen(  # noqa: ASYNC220 (nothing else runs in this loop)
        [sys.executable, "-m", "tests.engines.views_writer", str(path)],
        cwd=ROOT,
        env=unmeasured(),
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout
        acknowledged = -1
        while acknowledged < 20 + attempt * 7:
            acknowledged = int(process.stdout.readline())
        process.kill()
        acknowledged = max([acknowledged, *map(int, process.stdout.read().split())])
    async with opened(path) as engine:
        counts = await engine.views.read(
            lambda connection: connection.execute("SELECT number, count(*) FROM rows GROUP BY 1 ORDER BY 1").fetchall()
        )
        check = await engine.views.read(lambda connection: connection.execute("PRAGMA integrity_check").fetchall())
    assert [number for number, _ in counts] == list(range(len(counts)))
    assert {count for _, count in counts} == {ROWS}
    assert len(counts) > acknowledged
    assert check == [("ok",)]
