"""The single checks of ``doctor``: the machine, the settings, the disk, the SQLite file. Each gives findings."""

from __future__ import annotations

import os
import platform
import shutil
import sqlite3
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from everfold.engines.sqlite.engine import SqliteEngine
    from everfold.log.engine import Engine

__all__ = [
    "Finding",
    "clock_and_head",
    "disk",
    "file_system",
    "machine",
    "settings",
    "size_text",
    "sqlite_file",
    "wal_reset_bug",
]

MIB = 1024 * 1024
LOW_DISK, VERY_LOW_DISK = 1024 * MIB, 64 * MIB
LONG_WAL = 256 * MIB
CLOCK_TOLERANCE = 60_000_000
NETWORK_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "fuse.sshfs", "lustre", "drvfs", "vboxsf")
LEVELS = {0: "off", 1: "normal", 2: "full", 3: "extra"}
SQLITE_HAS_BUG = ((3, 7, 0), (3, 51, 2))


class Finding(msgspec.Struct, frozen=True):
    """What one check found."""

    check: str
    status: str
    """``ok``, ``note``, ``warning`` or ``failed``."""
    found: str
    advice: str = ""


def machine() -> Iterator[Finding]:
    """Versions, and what is known to be wrong with them."""
    yield Finding("everfold", "ok", version("everfold"))
    yield Finding("python", "ok", f"{platform.python_version()} on {platform.system()}")
    yield Finding("msgspec", "ok", version("msgspec"))
    yield wal_reset_bug(sqlite3.sqlite_version_info, is_guarded=_is_guarded())


def _is_guarded() -> bool:
    from everfold.engines.sqlite.file_lock import IS_SUPPORTED

    return IS_SUPPORTED


def wal_reset_bug(found: tuple[int, ...], *, is_guarded: bool) -> Finding:
    """SQLite 3.7.0 to 3.51.2 can damage a file when a commit meets a checkpoint; our file lock keeps them apart."""
    text = ".".join(map(str, found))
    low, high = SQLITE_HAS_BUG
    if not low <= found <= high:
        return Finding("sqlite", "ok", f"{text} (free of the WAL-reset bug of 3.7.0 to 3.51.2)")
    if is_guarded:
        guard = "guarded: everfold's file lock keeps commits and checkpoints apart"
        return Finding(
            "sqlite", "ok", f"{text} has the WAL-reset bug; {guard}", "Let no other program write to the store's file."
        )
    return Finding(
        "sqlite",
        "warning",
        f"{text} has the WAL-reset bug, and there are no file locks on this system to guard against it",
        "Let only one process use a store, or use a Python with SQLite 3.51.3 or newer.",
    )


def settings() -> Iterator[Finding]:
    """Whether the settings can be read, and the one that changes how decisions run."""
    from everfold.app.settings import load_settings
    from everfold.errors import ConfigurationError

    try:
        loaded = load_settings({})
    except ConfigurationError as error:
        yield Finding("settings", "failed", str(error))
        return
    given = [f"{name} ({source})" for name, source in loaded.sources.items() if source != "default"]
    yield Finding("settings", "ok", ", ".join(given) or "all at their defaults")
    checks = loaded.values.checks
    is_on = sys.flags.dev_mode if checks is None else checks
    found = f"{'on' if is_on else 'off'} ({loaded.sources['checks']})"
    advice = "Decisions are watched for changing state, which costs time: for development and tests." if is_on else ""
    yield Finding("checks", "note" if is_on else "ok", found, advice)


def disk(path: Path) -> Iterator[Finding]:
    """Where the file is, and how much room there is."""
    size = path.stat().st_size
    log = Path(f"{path}-wal")
    log_size = log.stat().st_size if log.exists() else 0
    yield Finding("size", "ok", size_text(size))
    is_long = log_size > LONG_WAL
    advice = "A reader that never ends keeps it long. Look for a stuck process." if is_long else ""
    yield Finding("write-ahead log", "warning" if is_long else "ok", size_text(log_size), advice)
    free = shutil.disk_usage(path.parent).free
    status = "failed" if free < VERY_LOW_DISK else "warning" if free < max(LOW_DISK, size // 10) else "ok"
    yield Finding(
        "free disk space", status, size_text(free), "" if status == "ok" else "Free space: a full disk stops writes."
    )
    kind = file_system(path)
    if kind is None:
        yield Finding(
            "file system", "note", "cannot be told on this system", "Use a local disk, never a network share."
        )
    elif kind.startswith(NETWORK_FILE_SYSTEMS):
        advice = "Locks and syncs of network shares cannot be trusted. Put the store on a local disk."
        yield Finding("file system", "failed", f"{kind}, a network file system", advice)
    else:
        yield Finding("file system", "ok", kind)


def file_system(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str | None:
    """The kind of file system that holds the path; None where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    best, kind = "", None
    place = os.path.realpath(path)
    for line in lines:
        left, _, right = line.partition(" - ")
        point = left.split()[4].replace("\\040", " ")
        if (place == point or place.startswith(point.rstrip("/") + "/")) and len(point) >= len(best):
            best, kind = point, right.split()[0]
    return kind


async def sqlite_file(engine: SqliteEngine) -> list[Finding]:
    """What the open store says of itself, on a connection made as everfold makes its own."""
    from everfold.engines.sqlite.connection import connect
    from everfold.engines.sqlite.schema import schema_version

    connection = connect(engine.path, lock_timeout=1.0, read_only=True)
    try:
        (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
        (level,) = connection.execute("PRAGMA synchronous").fetchone()
        schema = schema_version(connection)
    finally:
        connection.close()
    findings = [
        Finding("schema version", "ok", str(schema)),
        Finding("journal mode", "ok" if mode == "wal" else "failed", str(mode)),
        Finding("synchronous", "ok" if level >= 2 else "failed", LEVELS.get(level, str(level))),
    ]
    return [*findings, *await clock_and_head(engine)]


async def clock_and_head(engine: Engine) -> list[Finding]:
    """Where the log ends, and whether that was recorded in the future."""
    head = await engine.wait(-1)
    return [Finding("head", "ok", f"position {head:,}"), *await _clock(engine, head)]


async def _clock(engine: Engine, head: int) -> list[Finding]:
    from everfold.clock import from_micros
    from everfold.log.selection import EVERYTHING

    newest = await engine.read(EVERYTHING, after=head - 1, limit=1) if head else ()
    if not newest:
        return []
    ahead = newest[0].recorded - time.time_ns() // 1000
    if ahead <= CLOCK_TOLERANCE:
        return [Finding("clock", "ok", f"newest record {from_micros(newest[0].recorded):%Y-%m-%d %H:%M:%S}Z")]
    advice = "A clock was wrong. Times of new records stand still until this machine's clock has caught up."
    return [Finding("clock", "warning", f"the newest record is {ahead // 1_000_000:,} seconds in the future", advice)]


def size_text(count: int) -> str:
    """``12 KiB``, ``3.4 MiB``, ``5.6 GiB``."""
    if count < MIB:
        return f"{count / 1024:,.0f} KiB"
    return f"{count / MIB:,.1f} MiB" if count < 1024 * MIB else f"{count / 1024 / MIB:,.1f} GiB"
