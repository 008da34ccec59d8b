"""One table of one build of a projection: its columns, its statements, and rows both ways. Used by ``table``.

SQLAlchemy writes the SQL, once; the hot statements then go straight to the driver.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from everfold.domain.read_model import ReadModel
from everfold.projections.columns import columns_of

__all__ = ["DIALECTS", "SqlTable", "compiled"]

_SQLITE: Any = sqlite.dialect
_POSTGRESQL: Any = postgresql.dialect
DIALECTS: dict[str, Any] = {
    name: dialect(paramstyle=style)
    for name, dialect, style in (("sqlite", _SQLITE, "qmark"), ("postgresql", _POSTGRESQL, "format"))
}
FETCH = 100
_INSERT: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def compiled(statement: Any, dialect: str) -> tuple[str, tuple[str, ...]]:
    """The SQL text for the driver, and the names of its parameters in their order."""
    text = statement.compile(dialect=DIALECTS[dialect])
    return str(text), tuple(text.positiontup or ())


class SqlTable:
    """A table in the database, and how a read model's rows get into it and out of it."""

    def __init__(self, model: type[ReadModel], name: str, dialect: str) -> None:
        """``name``: of the table in the database."""
        definition = model.__everfold__
        self.model = model
        self.name = name
        self.dialect = dialect
        self.key = definition.key
        self._columns = columns_of(model, dialect)
        self.fields = tuple(column.name for column in self._columns)
        self.table = sa.Table(name, sa.MetaData(), *self._sql_columns(), **_options(dialect))
        for fields in definition.indexes:
            sa.Index("__".join(("ix", name, *fields)), *[self.table.c[field] for field in fields])
        self.key_of: Callable[[Any], Any] = attrgetter(*self.key)
        places = [self.fields.index(field) for field in self.key]
        self.key_in: Callable[[Sequence[Any]], Any] = itemgetter(*places)
        """The key within a stored row, as it is stored."""
        self._stores = [(place, c.store) for place, c in enumerate(self._columns) if c.store]
        self._loads = [(place, c.load) for place, c in enumerate(self._columns) if c.load]
        self._key_stores = [self._columns[place].store for place in places]
        self.converts_key = any(self._columns[place].load for place in places)
        self.has_text_key = len(places) == 1 and self._columns[places[0]].is_plain_text

    def _sql_columns(self) -> list[sa.Column[Any]]:
        return [
            sa.Column(c.name, c.type, primary_key=c.name in self.key, nullable=c.is_nullable, autoincrement=False)
            for c in self._columns
        ]

    # --- rows both ways

    def stored(self, row: Any) -> tuple[Any, ...]:
        """The row as the driver takes it."""
        values = msgspec.structs.astuple(row)
        if not self._stores:
            return values
        changed = list(values)
        for place, store in self._stores:
            value = changed[place]
            if value is not None:
                changed[place] = store(value)
        return tuple(changed)

    def loaded(self, values: Sequence[Any]) -> Any:
        """The row of what the driver gave."""
        if not self._loads:
            return self.model(*values)
        changed = list(values)
        for place, load in self._loads:
            value = changed[place]
            if value is not None:
                changed[place] = load(value)
        return self.model(*changed)

    def stored_key(self, key: Any) -> tuple[Any, ...]:
        """A key as the driver takes it: one value for each key field."""
        values = key if len(self.key) > 1 else (key,)
        if not isinstance(values, tuple):
            raise TypeError(f"{key!r} is no key of {self.model.__name__}. Give a tuple of {', '.join(self.key)}.")
        return tuple(
            [
                value if store is None or value is None else store(value)
                for value, store in zip(cast("Sequence[Any]", values), self._key_stores, strict=True)
            ]
        )

    # --- statements

    @cached_property
    def upsert(self) -> str:
        """Insert a row, or replace the one with its key. Parameters: every field in order."""
        insert = _INSERT[self.dialect](self.table)
        others = {name: insert.excluded[name] for name in self.fields if name not in self.key}
        if others:
            statement = insert.on_conflict_do_update(index_elements=list(self.key), set_=others)
        else:
            statement = insert.on_conflict_do_nothing()
        return compiled(statement, self.dialect)[0]

    @cached_property
    def delete(self) -> str:
        """Delete the row with a key."""
        return compiled(sa.delete(self.table).where(*self._has_key()), self.dialect)[0]

    @cached_property
    def get(self) -> str:
        """The row with a key."""
        return compiled(sa.select(self.table).where(*self._has_key()), self.dialect)[0]

    @cached_property
    def fetch(self) -> str:
        """The rows with up to ``FETCH`` keys (tables with one key field)."""
        keys: list[Any] = [sa.bindparam(f"key_{number}") for number in range(FETCH)]
        return compiled(sa.select(self.table).where(self.table.c[self.key[0]].in_(keys)), self.dialect)[0]

    def _has_key(self) -> list[Any]:
        return [self.table.c[field] == sa.bindparam(f"key_{field}") for field in self.key]

    def statements_to_create(self) -> Iterable[str]:
        """The statements that make the table and its indexes."""
        dialect = DIALECTS[self.dialect]
        yield str(sa.schema.CreateTable(self.table).compile(dialect=dialect))
        for index in sorted(self.table.indexes, key=lambda index: str(index.name)):
            yield str(sa.schema.CreateIndex(index).compile(dialect=dialect))


def _options(dialect: str) -> dict[str, Any]:
    """SQLite checks the types of a strict table, and keeps the rows of one without rowids in their key's index."""
    return {"sqlite_strict": True, "sqlite_with_rowid": False} if dialect == "sqlite" else {}
