"""Opens what a power cut left, as any program would: with the engine's own store file and the standard driver."""

import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from sqlite3 import Connection

from everfold.engines.pages import Range
from everfold.engines.sqlite.connection import connect
from everfold.engines.sqlite.integrity import verify_records
from everfold.engines.sqlite.reader import STATEMENTS, read_checkpoint, read_page, read_reply, read_snapshot
from everfold.engines.sqlite.schema import inspect_file, upgrade
from everfold.engines.sqlite.store_file import StoreFile
from everfold.log.selection import EVERYTHING
from everfold.testing.frozen_clock import START, FrozenClock
from tests.reliability.power_loss.disk import Images
from tests.reliability.power_loss.history import Content, History
from tests.reliability.power_loss.recorder import PATIENCE

__all__ = ["content_of", "folder_in_memory", "integrity_of", "opened", "opened_wholly", "put"]

MEMORY = Path("/dev/shm")  # noqa: S108 (a folder with a random name is made in there)
ENOUGH = 1_000_000
SUFFIXES = ("", "-wal", "-journal", "-shm", "-lock")


@contextmanager
def folder_in_memory() -> Generator[Path]:
    """A temporary folder, in memory where the system offers that: syncing there costs nothing."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)


def put(images: Images, path: str) -> None:
    """Write the files, and remove what is left of earlier ones."""
    for suffix in SUFFIXES:
        if suffix in images:
            Path(path + suffix).write_bytes(images[suffix])
        else:
            Path(path + suffix).unlink(missing_ok=True)


@contextmanager
def opened(path: str) -> Generator[Connection]:
    """The store, opened by the first steps of the engine's ``StoreFile.open``; the connection that recovered it."""
    inspect_file(path)
    connection = connect(path, lock_timeout=PATIENCE)
    try:
        upgrade(connection, path)
        yield connection
    finally:
        connection.close()


@contextmanager
def opened_wholly(path: str) -> Generator[StoreFile]:
    """The store, opened as the engine does it, with its writer and a reader; takes twice as long."""
    clock = FrozenClock(START + timedelta(days=1))
    file = StoreFile(path, clock=clock, lock_timeout=PATIENCE, synchronous="full", readers=1)
    file.open()
    try:
        yield file
    finally:
        file.close()


def content_of(connection: Connection, history: History) -> Content:
    """All that the store tells of what it was ever asked to keep."""
    (head, _) = connection.execute(STATEMENTS["read_head"]).fetchone()
    replies = {key: read_reply(connection, key) for key in history.keys}
    checkpoints = {name: read_checkpoint(connection, name) for name in history.consumers}
    snapshots = {stream: read_snapshot(connection, stream) for stream in history.snapshotted}
    return Content(
        head=head,
        records=tuple(read_page(connection, EVERYTHING, Range.of(0, None, ENOUGH, backwards=False))),
        tags=tuple(connection.execute("SELECT tag, position FROM event_tags ORDER BY tag, position").fetchall()),
        replies={key: reply for key, reply in replies.items() if reply},
        checkpoints={name: position for name, position in checkpoints.items() if position},
        snapshots={stream: snapshot for stream, snapshot in snapshots.items() if snapshot},
    )


def integrity_of(connection: Connection) -> list[str]:
    """What the engine's verification and SQLite's own find wrong."""
    damages = verify_records(connection, Range.of(0, None, ENOUGH, backwards=False)).damages
    found = [f"{damage.position}: {damage.problem}" for damage in damages]
    lines = [line for (line,) in connection.execute("PRAGMA integrity_check")]
    return found + [line for line in lines if line != "ok"]
