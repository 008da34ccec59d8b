"""What is wrong with data that is brought in, or with a file that a store is restored from."""

from __future__ import annotations

from everfold.errors.root import EverfoldError

__all__ = ["InvalidExport", "InvalidImport", "SourceChanged"]


class InvalidImport(EverfoldError):
    """A source cannot be read, or a row of it cannot be mapped or stored. Mend it and run the import again.

    ``line`` and ``row`` count from 1 (a row may have several lines); they are None for what concerns the whole source.
    ``until``: the last row that is imported; nothing behind it is.
    """

    code = "invalid-import"

    def __init__(
        self,
        problem: str,
        *,
        source: str,
        line: int | None = None,
        row: int | None = None,
        field: str | None = None,
        until: int | None = None,
    ) -> None:
        numbered = f"row {row}" if line is None and row else f"line {line}" if line else ""
        place = ", ".join(part for part in (source, numbered, f"field {field!r}" if field else "") if part)
        stored = f" The rows up to {until:,} are imported; run it again, and it continues there." if until else ""
        super().__init__(f"{place}: {problem}{stored}")
        self.problem = problem
        self.source = source
        self.line = line
        self.row = row
        self.field = field
        self.until = until


class SourceChanged(InvalidImport):
    """A source does not begin any more with the rows that were imported from it. Nothing was stored.

    Give the source as it was, with new rows only at its end; another source needs an import of another name.
    """

    code = "source-changed"


class InvalidExport(EverfoldError):
    """A file is no export, or is damaged or cut off. ``line`` counts from 1. Get a whole copy of the file."""

    code = "invalid-export"

    def __init__(self, problem: str, *, source: str, line: int | None = None) -> None:
        super().__init__(f"{source}{'' if line is None else f', line {line:,}'}: {problem}")
        self.problem = problem
        self.source = source
        self.line = line
