"""Turns rows into records by a mapping, with ids that are the same every time. Used by imports; does no I/O."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from typing import Any, cast

import msgspec

from everfold.codec.metadata import encode_metadata
from everfold.codec.pipeline import Codec
from everfold.errors import EverfoldError, InvalidImport
from everfold.identifiers import check_stream, stable_id
from everfold.log.record import Metadata, NewRecord
from everfold.log.write import StreamAppend
from everfold.migration.mapping import Import, Imported
from everfold.migration.row_groups import RowGroup
from everfold.migration.source import SourceRow

__all__ = ["Mapper"]

IMPORTS = uuid.UUID("6f1f0a52-3f0e-5f0b-9d5e-0c2b7a1f4e11")
SHOWN = 60


class Mapper:
    """Maps groups of rows. ``metadata``: what the records carry, beside the import and the row they come from."""

    def __init__(self, imported: Import, codec: Codec, metadata: Metadata) -> None:
        self._import = imported
        self._codec = codec
        self._ids = uuid.uuid5(IMPORTS, imported.name)
        self._cause = f"import:{imported.name}"
        self._metadata = msgspec.structs.replace(metadata, correlation_id=metadata.correlation_id or self._cause)

    def appends(self, group: RowGroup) -> tuple[StreamAppend, ...]:
        """What is to be stored for these rows.

        Raises InvalidImport, with its ``row`` when that row is to blame, and without when the whole source is.
        """
        for row in group.rows:
            if row.problem or group.problem:
                raise self._invalid(row, row.problem or group.problem or "")
        first = group.rows[0]
        metadata_json = encode_metadata(
            msgspec.structs.replace(
                self._metadata, causation_id=self._metadata.causation_id or f"{self._cause}:{first.number}"
            )
        )
        appends: list[StreamAppend] = []
        ordinal = 0
        for found in self._mapped(group.rows):
            if found.id is None:
                records = self._records(found, metadata_json, first, f"row {first.number}", ordinal)
                ordinal += len(records)
            else:
                records = self._records(found, metadata_json, first, f"id {found.id}", 0)
            if records:
                appends.append(StreamAppend(found.stream, records))
        return tuple(appends)

    def _records(
        self, found: Imported, metadata_json: str, row: SourceRow, identity: str, ordinal: int
    ) -> tuple[NewRecord, ...]:
        ids, encode = self._ids, self._codec.encode
        place = row.number if found.id is None else 0
        try:
            check_stream(found.stream)
            return tuple(
                [
                    encode(event, metadata_json, id=stable_id(ids, f"{identity} {number}", place=place))
                    for number, event in enumerate(found.events, ordinal)
                ]
            )
        except EverfoldError as error:
            raise self._invalid(row, str(error)) from error

    def _mapped(self, rows: Sequence[SourceRow]) -> list[Imported]:
        copies = [dict(row.fields) for row in rows]
        try:
            result: Any = self._import.mapping(copies[0] if self._import.group_by is None else copies)
            mapped: list[object] = [result] if isinstance(result, Imported) else list(result)
        except Exception as error:
            raise self._explained(rows, error) from error
        for one in mapped:
            if not isinstance(one, Imported):
                problem = f"the mapping gave {type(one).__name__}. It has to return or yield Imported(stream, event)."
                raise InvalidImport(problem, source=self._import.source.name)
        return cast("list[Imported]", mapped)

    def _explained(self, rows: Sequence[SourceRow], error: Exception) -> InvalidImport:
        """The error with the field that the mapping had read last: it is mapped once more to find that."""
        seen = _Seen()
        traced = [_TracedFields(row, seen) for row in rows]
        try:
            result: Iterable[object] = self._import.mapping(traced[0] if self._import.group_by is None else traced)
            list(result)
        except Exception as again:
            error = again
        row = seen.row or rows[0]
        if seen.is_missing:
            return self._missing(row, str(seen.field))
        value = f" (it is {str(row.fields.get(seen.field))[:SHOWN]!r})" if seen.field is not None else ""
        reason = str(error) or "no reason given"
        return self._invalid(row, f"{type(error).__name__}: {reason}{value}.", seen.field)

    def _missing(self, row: SourceRow, field: str) -> InvalidImport:
        columns = self._import.source.columns
        if columns is None:
            return self._invalid(row, f"there is no such field. The row has {', '.join(row.fields)}.", field)
        return InvalidImport(
            f"there is no such column. The source has {', '.join(columns)}.",
            source=self._import.source.name,
            field=field,
        )

    def _invalid(self, row: SourceRow, problem: str, field: str | None = None) -> InvalidImport:
        return InvalidImport(problem, source=self._import.source.name, line=row.line, row=row.number, field=field)


class _Seen:
    """What a mapping looked at last."""

    def __init__(self) -> None:
        self.row: SourceRow | None = None
        self.field: str | None = None
        self.is_missing = False


class _TracedFields(dict[str, Any]):
    """The fields of a row, which remember what was looked at."""

    def __init__(self, row: SourceRow, seen: _Seen) -> None:
        super().__init__(row.fields)
        self._row = row
        self._seen = seen

    def __getitem__(self, field: str) -> Any:
        self._seen.row, self._seen.field = self._row, field
        return super().__getitem__(field)

    def __missing__(self, field: str) -> Any:
        self._seen.is_missing = True
        raise KeyError(field)

    def get(self, field: str, default: Any = None) -> Any:
        self._seen.row, self._seen.field = self._row, field
        return super().get(field, default)
