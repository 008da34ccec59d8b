"""Rows of a CSV file, compressed or not. Used by imports."""

from __future__ import annotations

import codecs
import csv
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from everfold.errors import ConfigurationError, InvalidImport
from everfold.migration.source import SourceRow
from everfold.migration.source_file import LineFile, UnreadableFile

__all__ = ["CsvSource"]

MAX_FIELD = 131_072
_UNDECODABLE = re.compile("[\ud800-\udfff]")


class CsvSource:
    """A CSV file, also a gzip one; its first line names the columns, unless ``columns`` does.

    ``encoding``: any that Python knows; a byte order mark is dropped. ``max_field``: the longest field, in characters.
    A row with too many or too few values, with bytes of another encoding or with a NUL character is a bad row. What
    breaks the quoting ends the reading, because nobody could tell where the next row begins.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        encoding: str = "utf-8",
        delimiter: str = ",",
        quotechar: str = '"',
        columns: Sequence[str] | None = None,
        max_field: int = MAX_FIELD,
    ) -> None:
        try:
            known = codecs.lookup(encoding).name
        except LookupError as error:
            raise ConfigurationError(
                f"{path}: there is no encoding {encoding!r}. Common ones are utf-8, cp1252, utf-16."
            ) from error
        self.path = Path(path)
        self.encoding = "utf-8-sig" if known == "utf-8" else known
        self.delimiter = delimiter
        self.quotechar = quotechar
        self.max_field = max_field
        self._given = tuple(columns) if columns is not None else None
        self.columns: Sequence[str] | None = self._given
        self._file = LineFile(self.path)

    @property
    def name(self) -> str:
        """The name of the file."""
        return self.path.name

    @property
    def share(self) -> float | None:
        """How much of the file's bytes has been read, from 0 to 1."""
        return self._file.share

    def at(self, place: str) -> CsvSource:
        """The same kind of file at another path."""
        return CsvSource(
            place,
            encoding=self.encoding,
            delimiter=self.delimiter,
            quotechar=self.quotechar,
            columns=self._given,
            max_field=self.max_field,
        )

    def __iter__(self) -> Iterator[SourceRow]:
        csv.field_size_limit(max(csv.field_size_limit(), self.max_field))
        file = self._file = LineFile(self.path)
        try:
            with closing(file.text_lines(self.encoding)) as lines:
                yield from self._rows(lines)
        except UnreadableFile as error:
            raise InvalidImport(str(error), source=self.name) from error
        except csv.Error as error:
            raise InvalidImport(
                f"the quotes or fields cannot be made out ({error}). Mend the line, or give the delimiter, quotechar "
                "or max_field of this file.",
                source=self.name,
                line=file.line,
            ) from error

    def _rows(self, lines: Iterator[str]) -> Generator[SourceRow]:
        reader = csv.reader(lines, delimiter=self.delimiter, quotechar=self.quotechar, strict=True)
        columns = self.columns = self._header(next(reader, None)) if self._given is None else self._given
        width, number, line = len(columns), 0, reader.line_num + 1
        for values in reader:
            if values:
                number += 1
                fields = dict(zip(columns, values, strict=False))
                problem = self._problem(values, width)
                if len(values) > width:
                    fields[""] = self.delimiter.join(values[width:])
                yield SourceRow(number, fields, line, problem)
            line = reader.line_num + 1

    def _problem(self, values: list[str], width: int) -> str | None:
        if len(values) != width:
            return f"it has {len(values)} values and there are {width} columns."
        text = "".join(values)
        if "\0" in text:
            return "it has a NUL character. The file is damaged, or in another encoding, such as utf-16."
        if not text.isascii() and _UNDECODABLE.search(text):
            encoding = self.encoding.removesuffix("-sig")
            return f"it has bytes that are not {encoding}. Give the file's encoding, such as cp1252."
        return None

    def _header(self, values: list[str] | None) -> tuple[str, ...]:
        problem = None
        if not values:
            problem = "the file has no first line that names its columns. Give another file, or columns=."
        elif found := self._problem(values, len(values)):
            problem = f"the column names cannot be read: {found}"
        elif twice := {name for name in values if values.count(name) > 1}:
            problem = f"several columns are called {', '.join(map(repr, sorted(twice)))}. Rename all but one."
        if problem or not values:
            raise InvalidImport(problem or "", source=self.name, line=1)
        return tuple(values)
