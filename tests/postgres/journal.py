"""What each process did and was told, as it happened, in a file of its own: a killed process leaves it complete."""

import json
import os
import time
import zlib
from pathlib import Path
from typing import Any

from everfold.log.record import Record

__all__ = ["Entry", "Journal", "count", "entries", "mark"]

Entry = list[Any]
"""When (the clock is the same for all processes), what, and the facts."""


class Journal:
    """Written by one process."""

    def __init__(self, folder: str, name: str) -> None:
        self._file = os.open(Path(folder) / f"{name}.jsonl", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def write(self, kind: str, *facts: object) -> None:
        """One line, in one system call: nobody leaves half of it."""
        os.write(self._file, json.dumps([time.monotonic_ns(), kind, *facts]).encode() + b"\n")


def entries(folder: Path, name: str) -> list[Entry]:
    """All that the process has written so far."""
    path = folder / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def count(folder: Path, name: str, kind: str) -> int:
    """How many entries of this kind the process has written so far."""
    path = folder / f"{name}.jsonl"
    return path.read_bytes().count(f', "{kind}", '.encode()) if path.exists() else 0


def mark(record: Record) -> list[Any]:
    """Which record it is, and that it is the very same."""
    return [record.position, record.id, zlib.crc32(repr(record).encode())]
