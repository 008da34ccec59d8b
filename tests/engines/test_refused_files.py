"""Files that are no store, damaged, newer or not writable are refused with a clear error and left as they were."""

import os
import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Generator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from everfold.engines.sqlite import schema
from everfold.engines.sqlite.connection import connect
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.engines.sqlite.file_kind import LOG
from everfold.engines.sqlite.schema import upgrade
from everfold.errors import (
    ConfigurationError,
    NotAStore,
    StoreBusy,
    StoreCorrupt,
    StoreError,
    StoreReadOnly,
    StoreTooNew,
    StoreUnavailable,
)
from everfold.testing.contracts.engine_case import fresh, stored, to_stream, whole_log
from tests.reliability.processes import Process


def content(folder: Path) -> dict[str, bytes]:
    """Every file of the folder, bit by bit."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


async def refuse(path: Path, error: type[Exception], match: str) -> None:
    """Opening must fail like this, twice, and change nothing."""
    before = content(path.parent)
    for _ in range(2):
        engine = SqliteEngine(path, lock_timeout=0.2)
        with pytest.raises(error, match=match):
            await engine.open()
        await engine.close()
    assert content(path.parent) == before


async def store(path: Path) -> Path:
    """A store with some records, closed."""
    engine = SqliteEngine(path)
    await engine.open()
    await stored(engine, to_stream("thing-a", *fresh(amount=50, data='{"fill": "' + "x" * 500 + '"}')))
    await engine.close()
    path.with_name("log.db-lock").unlink()
    return path


def foreign(path: Path, *, journal: bool = False) -> Path:
    """A SQLite file of another application; perhaps one that crashed in the middle of a transaction."""
    source = path.with_name("source") if journal else path
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE notes (text)")
        connection.execute("INSERT INTO notes VALUES ('mine')")
        if journal:
            connection.execute("PRAGMA cache_size = 1")
            connection.execute("BEGIN")
            connection.executemany("INSERT INTO notes VALUES (?)", [("x" * 3000,) for _ in range(50)])
            shutil.copy(source, path)
            shutil.copy(f"{source}-journal", f"{path}-journal")
            connection.execute("ROLLBACK")
    if journal:
        source.unlink()
    return path


async def test_a_text_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_text("Dear diary, today I learnt about event sourcing.\n" * 10)
    await refuse(tmp_path / "log.db", NotAStore, "not a SQLite file")


async def test_a_short_text_file_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "log.db").write_text("no")
    await refuse(tmp_path / "log.db", NotAStore, "not a SQLite file")


@pytest.mark.parametrize("journal", [False, True])
async def test_a_database_of_another_application_is_no_store(tmp_path: Path, journal: bool) -> None:
    await refuse(foreign(tmp_path / "log.db", journal=journal), NotAStore, "another application")


async def test_a_foreign_file_beside_a_lock_file_is_refused_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "log.db-lock").touch()
    await refuse(foreign(tmp_path / "log.db"), NotAStore, "another application")


async def test_a_folder_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "log.db").mkdir()
    await refuse(tmp_path / "log.db", NotAStore, "is a folder")


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    engine = SqliteEngine(tmp_path / "absent" / "log.db")
    with pytest.raises(StoreUnavailable, match=r"absent.*Check that its folder exists"):
        await engine.open()
    assert content(tmp_path) == {}


async def test_a_newer_store_is_refused(tmp_path: Path) -> None:
    path = await store(tmp_path / "log.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 97")
    with pytest.raises(StoreTooNew) as caught:
        await SqliteEngine(path).open()
    assert (caught.value.found, caught.value.known) == (97, 1)
    await refuse(path, StoreTooNew, "97")


@pytest.mark.parametrize("size", [1, 15, 50, 99])
async def test_a_store_cut_off_in_its_header_is_corrupt(tmp_path: Path, size: int) -> None:
    os.truncate(await store(tmp_path / "log.db"), size)
    await refuse(tmp_path / "log.db", StoreCorrupt, "cut off")


@pytest.mark.parametrize("part", [0.3, 0.7, 0.99])
async def test_a_store_cut_off_later_is_corrupt(tmp_path: Path, part: float) -> None:
    path = await store(tmp_path / "log.db")
    os.truncate(path, int(path.stat().st_size * part))
    await refuse(path, StoreCorrupt, "cut off")


async def test_a_store_that_was_in_use_before_it_was_cut_off_is_corrupt(tmp_path: Path) -> None:
    """As it happens in life: the lock file lies beside it, so it is looked at again under the lock."""
    path = await store(tmp_path / "log.db")
    (tmp_path / "log.db-lock").touch()
    os.truncate(path, path.stat().st_size // 2)
    await refuse(path, StoreCorrupt, "cut off")


async def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    (tmp_path / "log.db").touch()
    await store(tmp_path / "log.db")


async def test_a_store_whose_creation_was_interrupted_is_created_anew(tmp_path: Path) -> None:
    """The program was cut off while the first transaction was being written into the file."""
    source, path = tmp_path / "source", tmp_path / "log.db"
    with closing(sqlite3.connect(source, isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 1")
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE events (text)")
        connection.executemany("INSERT INTO events VALUES (?)", [("x" * 3000,) for _ in range(50)])
        shutil.copy(source, path)
        shutil.copy(f"{source}-journal", f"{path}-journal")
    assert path.stat().st_size
    engine = SqliteEngine(path)
    await engine.open()
    assert await whole_log(engine) == []
    await engine.close()


async def test_a_store_reached_by_a_link_has_one_lock(tmp_path: Path) -> None:
    path = await store(tmp_path / "log.db")
    (tmp_path / "link.db").symlink_to(path)
    engine = SqliteEngine(tmp_path / "link.db")
    await engine.open()
    assert (tmp_path / "log.db-lock").exists()
    assert not (tmp_path / "link.db-lock").exists()
    await engine.close()


def test_an_unknown_level_of_durability_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"'fast'.*full"):
        SqliteEngine(tmp_path / "log.db", synchronous="fast")


@pytest.fixture
def open_folder() -> Generator[Path]:
    """A folder that other users may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder
        folder.chmod(0o755)


def open_as_nobody(path: Path) -> list[object]:
    """What becomes of opening the store in a process without special rights."""
    with Process("open-as-nobody", path, "p") as process:
        process.go()
        return process.listen_to_the_end()[-1]


def forbid(path: Path, *, file: int, folder: int) -> None:
    """Set the permissions of a store that has a lock file."""
    lock = path.with_name(path.name + "-lock")
    lock.touch()
    lock.chmod(0o666)
    path.chmod(file)
    path.parent.chmod(folder)


async def test_a_file_that_cannot_be_written_is_refused(open_folder: Path) -> None:
    path = await store(open_folder / "log.db")
    forbid(path, file=0o444, folder=0o777)
    before = path.read_bytes()
    assert open_as_nobody(path)[:2] == ["error", StoreReadOnly.__name__]
    assert path.read_bytes() == before


async def test_a_folder_that_cannot_be_written_is_refused(open_folder: Path) -> None:
    path = await store(open_folder / "log.db")
    forbid(path, file=0o666, folder=0o555)
    before = content(open_folder)
    assert open_as_nobody(path)[:2] == ["error", StoreReadOnly.__name__]
    assert content(open_folder) == before


async def test_a_lock_file_that_cannot_be_written_is_refused(open_folder: Path) -> None:
    path = await store(open_folder / "log.db")
    forbid(path, file=0o666, folder=0o777)
    path.with_name("log.db-lock").chmod(0o444)
    assert open_as_nobody(path)[:2] == ["error", StoreReadOnly.__name__]


async def test_a_file_that_cannot_be_read_is_refused(open_folder: Path) -> None:
    path = await store(open_folder / "log.db")
    forbid(path, file=0o000, folder=0o777)
    assert open_as_nobody(path)[:2] == ["error", StoreUnavailable.__name__]


def test_a_foreign_file_is_refused_once_more_when_it_is_open(tmp_path: Path) -> None:
    """The header may be unreadable at first, after a crash; SQLite mends it, and then it is clear whose file it is."""
    with closing(connect(str(foreign(tmp_path / "x.db")), lock_timeout=1)) as connection:
        with pytest.raises(NotAStore):
            upgrade(connection, "x.db")
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_an_upgrade_that_fails_leaves_no_trace(tmp_path: Path) -> None:
    scripts = ("CREATE TABLE a (x);", "CREATE TABLE b (x); CREATE TABLE a (again);")
    with closing(connect(str(tmp_path / "x.db"), lock_timeout=1)) as connection:
        with pytest.raises(StoreError, match="a already"):
            upgrade(connection, "x.db", msgspec.structs.replace(LOG, upgrades=scripts))
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("a",)]
        assert schema.schema_version(connection) == 1


def test_an_upgrade_that_cannot_begin_is_busy(tmp_path: Path) -> None:
    path = str(tmp_path / "x.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as other, closing(connect(path, lock_timeout=0)) as late:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusy):
            upgrade(late, path)


def test_the_header_is_what_the_file_format_says(tmp_path: Path) -> None:
    """The refusals read the header by hand; SQLite agrees about where things are."""
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        connection.execute("PRAGMA application_id = 7")
        connection.execute("PRAGMA user_version = 8")
        connection.execute("CREATE TABLE t (c)")
    header = (tmp_path / "x.db").read_bytes()[:100]
    assert struct.unpack(">II", header[60:64] + header[68:72]) == (8, 7)
