"""The limit for concurrent callers: a bare group commit.

Callers hand a row with its expected version to one writer thread, which commits all that wait in one durable
transaction and answers each caller on its own. What it writes to is a ``Log``: ``raw_side``'s, or that of PostgreSQL.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable, Mapping, Sequence
from queue import SimpleQueue
from typing import NamedTuple, Protocol

from benchmarks.payload import DEPOSITED_JSON, DEPOSITED_TYPE
from benchmarks.raw_side import Row, row

__all__ = ["GroupCommit", "Log"]


class Log(Protocol):
    """A connection to a log. Used by the thread."""

    def begin(self, streams: Iterable[str]) -> Mapping[str, int]:
        """Begin a transaction in which nobody else writes; the versions of these streams."""
        ...

    def commit(self, rows: Sequence[Row], head: int) -> None:
        """Store the rows and end the transaction, durably."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class _Entry(NamedTuple):
    stream: str
    expected: int
    future: asyncio.Future[int]


class GroupCommit:
    """One connection, one thread. Made and used inside a running event loop.

    ``keeps_versions``: remember the version of each stream instead of reading it for every row.
    """

    def __init__(self, log: Log, *, keeps_versions: bool) -> None:
        self._log = log
        self._keeps_versions = keeps_versions
        self._versions: dict[str, int] = {}
        self._head = 0
        self._loop = asyncio.get_running_loop()
        self._waiting: list[_Entry] = []
        self._is_busy = False
        self._batches: SimpleQueue[list[_Entry] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="group-commit", daemon=True)
        self._thread.start()

    async def commit(self, stream: str, expected: int) -> int:
        """Store one row at the end of the stream; the stream's version. ValueError: it had another one."""
        future: asyncio.Future[int] = self._loop.create_future()
        self._waiting.append(_Entry(stream, expected, future))
        if not self._is_busy:
            self._is_busy = True
            self._loop.call_soon(self._hand_over)
        return await future

    def close(self) -> None:
        """End the thread and close the log."""
        self._batches.put(None)
        self._thread.join()
        self._log.close()

    def _hand_over(self) -> None:
        batch, self._waiting = self._waiting, []
        if batch:
            self._batches.put(batch)
        else:
            self._is_busy = False

    def _answer(self, batch: list[_Entry], versions: list[int]) -> None:
        for entry, version in zip(batch, versions, strict=True):
            if version:
                entry.future.set_result(version)
            else:
                entry.future.set_exception(ValueError("another version"))
        self._loop.call_soon(self._hand_over)  # behind the callers, who have their next rows by then

    def _work(self) -> None:
        while batch := self._batches.get():
            versions = self._store(batch)
            self._loop.call_soon_threadsafe(self._answer, batch, versions)

    def _store(self, batch: list[_Entry]) -> list[int]:
        """Commit the batch; the version each entry reached, 0 where another one was expected."""
        rows: list[Row] = []
        reached: list[int] = []
        known = self._begin(batch)
        for stream, expected, _ in batch:
            version = known.get(stream, 0)
            if version != expected:
                reached.append(0)
                continue
            self._head += 1
            known[stream] = version + 1
            reached.append(version + 1)
            rows.append(row(self._head, stream, version + 1, type=DEPOSITED_TYPE, data=DEPOSITED_JSON))
        self._log.commit(rows, self._head)
        return reached

    def _begin(self, batch: list[_Entry]) -> dict[str, int]:
        """The versions of the batch's streams, and perhaps of others."""
        unknown = {stream for stream, _, _ in batch if stream not in self._versions}
        found = self._log.begin(unknown)
        if not self._keeps_versions:
            return dict(found)
        self._versions |= found
        return self._versions
