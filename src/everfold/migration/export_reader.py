"""Reads an exported file line by line and refuses one that is damaged, cut off or something else. Used by restore."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from typing import IO

import msgspec

from everfold.errors import InvalidExport
from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import StoredReply
from everfold.log.record import Record
from everfold.migration.export_format import (
    FORMAT_VERSION,
    CheckpointLine,
    Digest,
    Header,
    Line,
    RecordLine,
    ReplyLine,
    Trailer,
    decode_line,
    record_of,
)
from everfold.migration.source_file import LineFile, UnreadableFile

__all__ = ["ExportPart", "ExportReader"]

PAGE = 1_000
DAMAGED = "the file is damaged or was changed. Get a whole copy of it."
ORDER: tuple[type, ...] = (Header, RecordLine, ReplyLine, CheckpointLine, Trailer)


class ExportPart(msgspec.Struct):
    """Some neighbouring lines, decoded."""

    records: list[Record] = []
    replies: list[StoredReply] = []
    checkpoints: list[Checkpoint] = []

    @property
    def size(self) -> int:
        """How many there are."""
        return len(self.records) + len(self.replies) + len(self.checkpoints)


class ExportReader:
    """An exported file. ``header`` is there when the first part has been asked for."""

    def __init__(self, place: Path | IO[bytes]) -> None:
        self.name = place.name if isinstance(place, Path) else "the input"
        self.header = Header(format=FORMAT_VERSION, head=0, written="")
        self._file = LineFile(place)
        self._digest = Digest()
        self._position = 0
        self._kind: type = type(None)

    def parts(self) -> Generator[ExportPart]:
        """What the file holds, part by part; the first is empty. InvalidExport at the line that is wrong.

        A change within a line may be found at the last line only: what was read is to be trusted when all is read.
        """
        part = ExportPart()
        try:
            with closing(self._file.byte_lines()) as lines:
                for text in lines:
                    line = self._decoded(text)
                    self._check_order(line)
                    if isinstance(line, Trailer):
                        self._check_end(line)
                    else:
                        self._digest.add(line, text)
                        self._collect(line, part)
                    if isinstance(line, Header) or part.size >= PAGE:
                        yield part
                        part = ExportPart()
        except UnreadableFile as error:
            raise InvalidExport(str(error), source=self.name) from error
        if self._kind is not Trailer:
            raise self._invalid("the file is cut off: its last line is missing. Get a whole copy of it.")
        if part.size:
            yield part

    def _decoded(self, text: bytes) -> Line:
        try:
            if not text.endswith(b"\n"):
                raise ValueError("it is cut off")
            return decode_line(text)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            if self._file.line == 1:
                raise self._invalid(f"it does not begin as an exported store does ({error}).") from error
            raise self._invalid(f"{DAMAGED} ({error})") from error

    def _check_order(self, line: Line) -> None:
        before, kind = self._kind, type(line)
        is_first = before is type(None)
        if is_first and isinstance(line, Header):
            if line.format != FORMAT_VERSION:
                raise self._invalid(f"it has format {line.format}, and this everfold reads {FORMAT_VERSION}. Upgrade.")
            self.header, self._position = line, line.after
        elif is_first or before is Trailer or kind is Header or ORDER.index(kind) < ORDER.index(before):
            raise self._invalid(f"a line of this kind does not belong here: {DAMAGED}")
        self._kind = kind

    def _collect(self, line: Line, part: ExportPart) -> None:
        if isinstance(line, RecordLine):
            self._position += 1
            if line.position != self._position:
                raise self._invalid(f"position {line.position} comes where {self._position} should: {DAMAGED}")
            try:
                part.records.append(record_of(line))
            except ValueError as error:
                raise self._invalid(f"{DAMAGED} ({error})") from error
        elif isinstance(line, ReplyLine):
            part.replies.append(msgspec.convert(line, StoredReply, from_attributes=True))
        elif isinstance(line, CheckpointLine):
            part.checkpoints.append(Checkpoint(line.name, line.position))

    def _check_end(self, found: Trailer) -> None:
        if found != self._digest.trailer() or self._position != self.header.head:
            raise self._invalid(f"the checksum or the counts of the lines before do not fit: {DAMAGED}")

    def _invalid(self, problem: str) -> InvalidExport:
        return InvalidExport(problem, source=self.name, line=self._file.line or None)
