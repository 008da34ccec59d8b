"""Importing legacy rows as events: restartable at any moment, each row once. Used by migration scripts and the CLI.

One write is under way while the next batch is read and mapped in a thread. Each write moves the import's checkpoint
and carries its mark (see ``batches``), so whatever kills the process, the next run goes on behind the last stored row.
"""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec

from everfold.codec.metadata import current_metadata
from everfold.errors import (
    EverfoldError,
    InvalidImport,
    ProjectionFailed,
    SourceChanged,
    StoreBusy,
    StoreClosed,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreReadOnly,
    StoreUnavailable,
)
from everfold.log.write import Appended
from everfold.migration.batches import (
    Batch,
    Batches,
    Mark,
    Unit,
    checkpoint_name,
    mark_key,
    rejections,
    write_of,
)
from everfold.migration.import_report import ImportProgress, ImportReport, Rejection
from everfold.migration.mapper import Mapper
from everfold.migration.mapping import Import
from everfold.migration.one_thread import OneThread
from everfold.store.event_store import EventStore

__all__ = ["imported_rows", "run_import"]

_OF_THE_WHOLE_STORE = (StoreBusy, StoreClosed, StoreCorrupt, StoreFull, StoreReadOnly, StoreUnavailable)
_decode_mark = msgspec.json.Decoder(Mark).decode


async def run_import(
    store: EventStore,
    imported: Import,
    *,
    progress: Callable[[ImportProgress], None] | None = None,
    dry_run: bool = False,
    on_error: Literal["stop", "skip"] = "stop",
    rejected: Callable[[Rejection], None] | None = None,
) -> ImportReport:
    """Import all rows that are not imported yet; what one row or group becomes is stored wholly or not at all.

    Killed or stopped at any moment, run again it goes on behind the last stored row; run again on a source with new
    rows at its end, it imports those. Rows of earlier runs are read again and compared, about 300,000 a second.
    Cancelling it lets the write under way finish. The records carry the ambient metadata, the correlation
    ``import:<name>`` and, as their cause, ``import:<name>:<row>``; their time is that of the import.

    ``progress`` is called after every batch. ``dry_run``: read, map and encode everything, store nothing.
    ``on_error="skip"``: bad rows are passed over for good, reported, and given to ``rejected`` before their batch is
    stored (after a crash perhaps twice).

    Raises InvalidImport for a source that cannot be read, and for a row that cannot be mapped or stored (it names
    file, line and field; everything before is stored); SourceChanged when the source does not begin with what was
    imported; StoreError.
    """
    skips = on_error == "skip"
    mapper = Mapper(imported, store.codec, current_metadata())
    with OneThread("everfold-import") as thread:
        batches = await thread.do(lambda: Batches(imported, mapper, skips=skips))
        run = _Run(store, imported, batches, thread, is_dry=dry_run, progress=progress, rejected=rejected, skips=skips)
        try:
            return await run.run()
        finally:
            await thread.finish(batches.close)


async def imported_rows(store: EventStore, name: str) -> int:
    """How many rows of the import of this name are dealt with; 0 when it never ran."""
    return await store.engine.checkpoint(checkpoint_name(name))


class _Run:
    """One run of one import."""

    def __init__(
        self,
        store: EventStore,
        imported: Import,
        batches: Batches,
        thread: OneThread,
        *,
        is_dry: bool,
        progress: Callable[[ImportProgress], None] | None,
        rejected: Callable[[Rejection], None] | None,
        skips: bool,
    ) -> None:
        self._store = store
        self._import = imported
        self._batches = batches
        self._thread = thread
        self._is_dry = is_dry
        self._progress = progress
        self._rejected = rejected
        self._skips = skips
        self._row = 0
        self._report = ImportReport(imported.name, imported.source.name, is_dry)

    async def run(self) -> ImportReport:
        await self._skip_imported()
        self._report.rows_before = self._row
        under_way: asyncio.Task[None] | None = None
        try:
            while True:
                batch = await self._thread.do(self._batches.next)
                if under_way is not None:
                    await asyncio.shield(under_way)
                under_way = asyncio.ensure_future(self._settle(batch))
                if batch.is_last or batch.error:
                    await asyncio.shield(under_way)
                    break
        finally:
            if under_way is not None:
                await asyncio.wait((under_way,))
                under_way.exception()
        if batch.error:
            raise self._told(batch.error)
        return self._report

    def _told(self, error: Exception) -> Exception:
        """The error, with where the import got to."""
        if type(error) is not InvalidImport or self._is_dry:
            return error
        told = InvalidImport(
            error.problem,
            source=error.source,
            line=error.line,
            row=error.row,
            field=error.field,
            until=self._row,
        )
        told.__cause__ = error
        return told

    # --- what earlier runs did

    async def _skip_imported(self) -> None:
        """Read the rows of earlier runs, batch by batch as they were stored, and compare their digests."""
        engine, name = self._store.engine, self._import.name
        reached = await engine.checkpoint(checkpoint_name(name))
        while stored := await engine.reply(mark_key(name, self._row)):
            until = _decode_mark(stored.reply).until
            if await self._thread.do(functools.partial(self._batches.skip, until)) != stored.fingerprint:
                raise SourceChanged(
                    f"its rows {self._row + 1:,} to {until:,} are not those that were imported. Give the source as it "
                    "was, with new rows only at its end; another source needs an import of another name.",
                    source=self._import.source.name,
                )
            self._row = until
            self._tell(self._batches.share, is_checking=True)
        if self._row < reached:
            raise SourceChanged(
                f"{reached:,} rows were imported, and the store has lost the marks of those behind {self._row:,}: the "
                f"replies whose keys begin with {mark_key(name, 0)[:-1]!r}. Restore them from a backup.",
                source=self._import.source.name,
            )

    # --- new rows

    async def _settle(self, batch: Batch) -> None:
        for unit in batch.units:
            self._reject(unit)
        if batch.units and self._is_dry:
            self._count(batch.units)
        elif batch.units:
            await self._store_batch(batch)
        self._tell(batch.share, is_checking=False)

    async def _store_batch(self, batch: Batch) -> None:
        try:
            await self._commit(batch.units)
        except (StoreError, ProjectionFailed) as error:
            if isinstance(error, _OF_THE_WHOLE_STORE):
                raise
            await self._store_apart(batch.units)

    async def _store_apart(self, units: Sequence[Unit]) -> None:
        """Store unit by unit, in order, to find the one that cannot be stored."""
        for unit in units:
            try:
                await self._commit([unit])
            except (StoreError, ProjectionFailed) as error:
                if isinstance(error, _OF_THE_WHOLE_STORE):
                    raise
                told = self._refused(unit, error)
                if not self._skips:
                    raise self._told(told) from error
                passed_over = msgspec.structs.replace(unit, appends=(), error=told)
                self._reject(passed_over)
                await self._commit([passed_over])

    def _refused(self, unit: Unit, error: EverfoldError) -> InvalidImport:
        row = unit.group.rows[0]
        return InvalidImport(str(error), source=self._import.source.name, line=row.line, row=row.number)

    async def _commit(self, units: Sequence[Unit]) -> None:
        outcome = await self._store.committer.commit(write_of(self._import.name, self._row, units))
        if not isinstance(outcome, Appended):
            raise InvalidImport(
                f"another run of the import {self._import.name!r} stored the rows behind {self._row:,} meanwhile. "
                "Nothing is stored twice: let it finish, and run this one again.",
                source=self._import.source.name,
            )
        self._count(units)

    def _count(self, units: Sequence[Unit]) -> None:
        self._row = units[-1].until
        self._report.rows = self._row - self._report.rows_before
        types = Counter(record.type for unit in units for append in unit.appends for record in append.records)
        self._report.count(types)

    def _reject(self, unit: Unit) -> None:
        for rejection in rejections(unit):
            self._report.reject(rejection)
            if self._rejected:
                self._rejected(rejection)

    def _tell(self, share: float | None, *, is_checking: bool) -> None:
        if self._progress:
            self._progress(ImportProgress(self._row, self._report.events, share, is_checking))
