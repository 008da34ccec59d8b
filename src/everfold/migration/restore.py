"""Making a store again from an exported file, on any engine. Used by the command line and by scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO

import msgspec

from everfold.errors import RestoreRefused
from everfold.log.checkpoint import Checkpoint
from everfold.log.engine import Engine
from everfold.log.idempotency import StoredReply
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING
from everfold.migration.export_format import Header
from everfold.migration.export_reader import ExportPart, ExportReader
from everfold.migration.one_thread import OneThread
from everfold.store.event_store import EventStore

__all__ = ["RestoreReport", "restore_store"]


class RestoreReport(msgspec.Struct):
    """What one run did. What an earlier run had stored is compared, and counted in ``records_before``."""

    head: int
    """The last position of the file, and now of the store."""
    records_before: int = 0
    records: int = 0
    replies: int = 0
    checkpoints: int = 0


async def restore_store(
    store: EventStore, source: str | Path | IO[bytes], *, progress: Callable[[int, int], None] | None = None
) -> RestoreReport:
    """Store everything that the file holds, with its positions, versions, ids and times, into a new, empty store.

    A file is read twice: nothing is stored of a damaged one. Of a stream, what came before the damage is stored.
    Interrupted and run again, it continues. A file that was exported ``after`` a position goes into the store that
    ends there. Do not use the store before it is done. ``progress`` is called with a position and the last one.

    Raises InvalidExport for a file that is damaged, cut off or no export; RestoreRefused, with nothing stored, for
    a store that holds anything else than what the file begins with; StoreError.
    """
    place = Path(source) if isinstance(source, str | Path) else source
    reader = ExportReader(place)
    parts = reader.parts()
    with OneThread("everfold-restore") as thread:
        try:
            if isinstance(place, Path):
                await thread.do(partial(_check, place))
            await thread.do(partial(next, parts, None))
            restore = _Restore(store.engine, reader.name, reader.header)
            await restore.begin()
            while (part := await thread.do(partial(next, parts, None))) is not None:
                await restore.add(part)
                if progress and part.records:
                    progress(part.records[-1].position, reader.header.head)
        finally:
            await thread.finish(parts.close)
    return restore.report


def _check(path: Path) -> None:
    for _ in ExportReader(path).parts():
        pass


class _Restore:
    """One run: compares what is there, stores what is not."""

    def __init__(self, engine: Engine, name: str, header: Header) -> None:
        self._engine = engine
        self._name = name
        self._header = header
        self._head = 0
        self._is_new = False
        self.report = RestoreReport(header.head)

    async def begin(self) -> None:
        """Refuse a store that the file does not fit."""
        after, engine = self._header.after, self._engine
        head = self._head = await engine.wait(-1)
        self._is_new = not head and not await engine.replies(limit=1) and not await engine.checkpoints()
        if head < after:
            raise self._refused(f"the file continues a store that ends at position {after}. Restore that first")
        if head > self._header.head:
            raise self._refused("it has more than the file")
        if after:
            (last,) = await engine.read(EVERYTHING, after=after - 1, until=after, limit=1)
            if last.id != self._header.after_id:
                raise self._refused(f"its record at position {after} is not the one that the file continues")

    async def add(self, part: ExportPart) -> None:
        """Store the next part, in one transaction."""
        there = [record for record in part.records if record.position <= self._head]
        if there:
            await self._compare(there)
        records = part.records[len(there) :]
        replies, checkpoints = await self._new_replies(part.replies), await self._new_checkpoints(part.checkpoints)
        if records or replies or checkpoints:
            await self._engine.restore(records, replies=replies, checkpoints=checkpoints)
        self.report.records_before += len(there)
        self.report.records += len(records)
        self.report.replies += len(replies)
        self.report.checkpoints += len(checkpoints)

    async def _compare(self, records: Sequence[Record]) -> None:
        after, until = records[0].position - 1, records[-1].position
        stored = await self._engine.read(EVERYTHING, after=after, until=until, limit=len(records))
        for expected, found in zip(records, stored, strict=True):
            if expected != found:
                raise self._refused(f"its record at position {found.position} is another one than in the file")

    async def _new_replies(self, replies: Sequence[StoredReply]) -> Sequence[StoredReply]:
        if self._is_new:
            return replies
        new: list[StoredReply] = []
        for reply in replies:
            found = await self._engine.reply(reply.key)
            if found is None:
                new.append(reply)
            elif found != reply:
                raise self._refused(f"its reply to the idempotency key {reply.key!r} is another one than in the file")
        return new

    async def _new_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> Sequence[Checkpoint]:
        """Those of a file that continues a store replace the older ones."""
        if self._is_new or not checkpoints:
            return checkpoints
        there = {checkpoint.name: checkpoint.position for checkpoint in await self._engine.checkpoints()}
        new = [checkpoint for checkpoint in checkpoints if there.get(checkpoint.name) != checkpoint.position]
        for checkpoint in new:
            if checkpoint.name in there and not self._header.after:
                raise self._refused(f"its checkpoint {checkpoint.name!r} is another one than in the file")
        return new

    def _refused(self, why: str) -> RestoreRefused:
        return RestoreRefused(
            f"{self._name} cannot be restored into this store, which ends at position {self._head}: {why}. Nothing"
            f"{' more' if self.report.records else ''} was stored; give a new store, or the one where restoring this "
            "file was interrupted."
        )
