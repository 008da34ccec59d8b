"""Facts about the machine, without which the figures mean nothing; and a folder on a real disk."""

from __future__ import annotations

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import msgspec

__all__ = ["Machine", "disk_folder", "inspect_machine", "render_machine"]

SYNCS = 51
IN_MEMORY = {"tmpfs", "ramfs"}


class Machine(msgspec.Struct, frozen=True):
    """What the figures were measured on."""

    python: str
    sqlite: str
    everfold: str
    peer: str
    event_loop: str
    platform: str
    cores: int
    load: float
    """Other work: processes that wanted to run in the last minute."""
    folder: str
    file_system: str
    fsync_ms: float
    """Median of writing 4 KiB and syncing it, in this folder."""


def inspect_machine(folder: Path, *, event_loop: str) -> Machine:
    """Look, and sync some small writes."""
    return Machine(
        python=platform.python_version(),
        sqlite=sqlite3.sqlite_version,
        everfold=version("everfold"),
        peer=version("eventsourcing"),
        event_loop=event_loop,
        platform=platform.platform(terse=True),
        cores=os.cpu_count() or 1,
        load=os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0,
        folder=str(folder),
        file_system=_file_system(folder) or "unknown",
        fsync_ms=_fsync_ms(folder),
    )


def render_machine(machine: Machine) -> str:
    """The facts as plain text."""
    return (
        f"Python {machine.python}, SQLite {machine.sqlite}, everfold {machine.everfold}, eventsourcing {machine.peer}, "
        f"{machine.event_loop}\n"
        f"{machine.platform}, {machine.cores} cores, load {machine.load:.1f}\n"
        f"{machine.folder} ({machine.file_system}): a sync takes {machine.fsync_ms:.3f} ms"
    )


def disk_folder() -> Path:
    """Where temporary files lie on a disk; memory file systems would make every commit look free."""
    candidates = [Path(tempfile.gettempdir()), Path("/var/tmp"), Path.cwd()]  # noqa: S108 (only looked at)
    usable = [folder for folder in candidates if folder.is_dir() and os.access(folder, os.W_OK)]
    on_disk = [folder for folder in usable if _file_system(folder) not in IN_MEMORY]
    return (on_disk or usable)[0]


def _file_system(folder: Path) -> str | None:
    """Its type, where the system tells (Linux)."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return None
    target, longest, found = folder.resolve(), "", None
    for line in mounts.read_text("utf-8", "replace").splitlines():
        _, point, kind, *_ = line.split(" ")
        if target.is_relative_to(point) and len(point) >= len(longest):
            longest, found = point, kind
    return found


def _fsync_ms(folder: Path) -> float:
    times: list[float] = []
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            file.write(bytes(4096))
            file.flush()
            started = time.perf_counter()
            os.fsync(file.fileno())
            times.append(time.perf_counter() - started)
    return statistics.median(times) * 1_000
