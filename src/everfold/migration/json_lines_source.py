"""Rows of a JSON Lines file, compressed or not: one object on each line. Used by imports."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from everfold.errors import InvalidImport
from everfold.migration.source import SourceRow
from everfold.migration.source_file import LineFile, UnreadableFile

__all__ = ["JsonLinesSource"]

_decode = msgspec.json.Decoder(dict[str, Any]).decode
SHOWN = 1_000


class JsonLinesSource:
    """A file with one JSON object on each line, in UTF-8, also a gzip one. Blank lines are passed over.

    A line that is no JSON object is a bad row.
    """

    columns: None = None

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = LineFile(self.path)

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name

    @property
    def share(self) -> float | None:
        """How much of the file's bytes has been read, from 0 to 1."""
        return self._file.share

    def at(self, place: str) -> JsonLinesSource:
        """A file at another path."""
        return JsonLinesSource(place)

    def __iter__(self) -> Iterator[SourceRow]:
        file = self._file = LineFile(self.path)
        number = 0
        try:
            with closing(file.byte_lines()) as lines:
                for found in lines:
                    text = found.removeprefix(codecs.BOM_UTF8) if file.line == 1 else found
                    if not text.isspace() and text:
                        number += 1
                        yield _row(number, text, file.line)
        except UnreadableFile as error:
            raise InvalidImport(str(error), source=self.name) from error


def _row(number: int, text: bytes, line: int) -> SourceRow:
    try:
        return SourceRow(number, _decode(text), line)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        shown = text.decode("utf-8", "backslashreplace").rstrip()[:SHOWN]
        return SourceRow(number, {"": shown}, line, f"it is no JSON object ({error}).")
