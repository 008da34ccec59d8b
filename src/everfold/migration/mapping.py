"""What users write for an import: which rows become which events of which stream."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import msgspec

from everfold.errors import DefinitionError, InvalidName
from everfold.identifiers import check_text
from everfold.migration.source import Source

__all__ = ["Import", "Imported", "Mapping"]

MAX_NAME = 100
Mapping: TypeAlias = Callable[[Any], "Iterable[Imported]"]
"""Takes a row (a dict by column name), or with ``group_by`` a list of rows, and returns or yields what they become."""


class Imported:
    """Events for one stream: ``Imported(f"order-{row['InvoiceNo']}", OrderPlaced(...), OrderShipped(...))``.

    ``id``: a permanent name of what is imported, unique within the import, from which the event ids are made. Without
    it they are made from the number of the row, which is right for every source that only grows at its end.
    """

    __slots__ = ("events", "id", "stream")

    def __init__(self, stream: str, *events: object, id: str | None = None) -> None:
        self.stream = stream
        self.events = events
        self.id = id

    def __repr__(self) -> str:
        return f"Imported({self.stream!r}, {', '.join(map(repr, self.events))})"


class Import(msgspec.Struct, frozen=True):
    """A legacy source and how its rows become events::

        def booked(row: dict[str, str]) -> Iterator[Imported]:
            yield Imported(f"account-{row['account']}", MoneyDeposited(amount=int(row["cents"])))

        history = Import("bank-history", CsvSource("history.csv.gz"), booked)

    ``name`` is permanent: event ids and the progress kept in the store are under it. ``group_by``: a column; the
    mapping then takes the list of all neighbouring rows with the same value. The mapping must be pure, because a row
    may be mapped again. What it returns for one row or group is stored in one piece; for a row that is to be passed
    over it returns nothing. A new mapping changes nothing of what is imported already.
    """

    name: str
    source: Source
    mapping: Mapping
    group_by: str | None = None

    def __post_init__(self) -> None:
        try:
            check_text(self.name, "the name of an import", MAX_NAME)
        except InvalidName as error:
            raise DefinitionError(str(error)) from error
        if not callable(self.mapping):
            raise DefinitionError(f"The import {self.name!r} needs a function that maps a row, as its third argument.")
