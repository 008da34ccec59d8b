"""One table of one build of a projection: its columns, its statements, and rows both ways. Used by ``table``.

SQLAlchemy writes the SQL, once; the hot statements then go straight to the driver.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from operator import attrgetter, itemgetter
from typing import Any, cast

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import psycopg

from everfold.domain.read_model import ReadModel
from everfold.engines.sql_dialects import POSTGRESQL
from everfold.errors import DefinitionError
from everfold.projections.array_text import array_text_of
from everfold.projections.columns import Convert, columns_of
from everfold.projections.many_rows import FETCH

__all__ = ["DIALECTS", "SqlTable", "compiled"]

_SQLITE: Any = sqlite.dialect
_POSTGRESQL: Any = psycopg.dialect
DIALECTS: dict[str, Any] = {
    name: dialect(paramstyle=style)
    for name, dialect, style in (("sqlite", _SQLITE, "qmark"), ("postgresql", _POSTGRESQL, "format"))
}
MAX_IDENTIFIER = 63
"""Bytes of a name that PostgreSQL keeps."""
FILL_FACTOR = 80
"""Percent of a page of PostgreSQL that new rows fill: rows that are changed again and again stay on theirs."""
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
        self.is_remote = dialect != "sqlite"
        """Whether each statement is a trip to a server, which takes longer than finding a row."""
        self.key = definition.key
        self._columns = columns_of(model, dialect)
        self.fields = tuple(column.name for column in self._columns)
        self.table = sa.Table(name, sa.MetaData(), *self._sql_columns(), **_options(dialect))
        for fields in definition.indexes:
            sa.Index(_index_name(name, fields), *[self.table.c[field] for field in fields])
        self.key_of: Callable[[Any], Any] = attrgetter(*self.key)
        places = [self.fields.index(field) for field in self.key]
        self.key_in: Callable[[Sequence[Any]], Any] = itemgetter(*places)
        """The key within a stored row, as it is stored."""
        self._stores = [(place, c.store) for place, c in enumerate(self._columns) if c.store]
        self._loads = [(place, c.load) for place, c in enumerate(self._columns) if c.load]
        self._key_stores = [self._columns[place].store for place in places]
        self._key_places = places
        self.converts_key = any(self._columns[place].load for place in places)
        self.has_text_key = len(places) == 1 and self._columns[places[0]].is_plain_text

    def _sql_columns(self) -> list[sa.Column[Any]]:
        for name in self.fields:
            if self.dialect == POSTGRESQL and len(name.encode()) > MAX_IDENTIFIER:
                raise DefinitionError(
                    f"The field {name!r} of {self.model.__name__} has a name of more than {MAX_IDENTIFIER} bytes, "
                    "which PostgreSQL would cut off. Give it a shorter one."
                )
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

    def stored_from(self, other: SqlTable) -> Callable[[Sequence[Any]], tuple[Any, ...]]:
        """What makes a row as it is stored here of one as it is stored in a table of another dialect.

        A value that is none of its field stays what it is: the table may have been made with another shape.
        """
        ways = [(there.load, here.store) for there, here in zip(other._columns, self._columns, strict=True)]

        def converted(value: Any, load: Convert | None, store: Convert | None) -> Any:
            try:
                value = value if load is None else load(value)
                return value if store is None else store(value)
            except Exception:
                return value

        def convert(values: Sequence[Any]) -> tuple[Any, ...]:
            return tuple(
                [
                    value if value is None else converted(value, load, store)
                    for value, (load, store) in zip(values, ways, strict=True)
                ]
            )

        return convert

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

    def arrays(self, rows: Sequence[Sequence[Any]]) -> list[str]:
        """The rows as ``upsert_all`` takes them: an array of each column."""
        return [write(column) for write, column in zip(self._array_texts, zip(*rows, strict=True), strict=True)]

    def key_arrays(self, keys: Sequence[Sequence[Any]]) -> list[str]:
        """Keys as ``delete_all`` and ``fetch_all`` take them: an array of each key column."""
        texts = [self._array_texts[place] for place in self._key_places]
        return [write(column) for write, column in zip(texts, zip(*keys, strict=True), strict=True)]

    @cached_property
    def _array_texts(self) -> list[Callable[[Sequence[Any]], str]]:
        return [array_text_of(column.kind) for column in self._columns]

    # --- statements

    @cached_property
    def upsert(self) -> str:
        """Insert a row, or replace the one with its key. Parameters: every field in order."""
        return self._upsert(_INSERT[self.dialect](self.table))

    def _upsert(self, insert: Any) -> str:
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
    def get_any(self) -> str:
        """The key of any row, if there is one."""
        statement = sa.select(self.table.c[self.key[0]]).limit(sa.literal_column("1"))
        return compiled(statement, self.dialect)[0]

    @cached_property
    def fetch(self) -> str:
        """The rows with up to ``FETCH`` keys (tables with one key field)."""
        keys: list[Any] = [sa.bindparam(f"key_{number}") for number in range(FETCH)]
        return compiled(sa.select(self.table).where(self.table.c[self.key[0]].in_(keys)), self.dialect)[0]

    @cached_property
    def upsert_all(self) -> str:
        """As ``upsert``, for all rows at once (PostgreSQL). Parameters: ``arrays``."""
        rows = self._unnested(self.fields)
        return self._upsert(postgresql.insert(self.table).from_select(list(self.fields), sa.select(rows)))

    @cached_property
    def delete_all(self) -> str:
        """Delete the rows with some keys (PostgreSQL). Parameters: ``key_arrays``."""
        gone = self._unnested(self.key)
        has_key = [self.table.c[field] == gone.c[field] for field in self.key]
        return compiled(sa.delete(self.table).where(*has_key), self.dialect)[0]

    @cached_property
    def fetch_all(self) -> str:
        """The rows with some keys (PostgreSQL; tables with one key field). Parameters: ``key_arrays``."""
        keys = sa.any_(self._array(self.key[0]))
        return compiled(sa.select(self.table).where(self.table.c[self.key[0]] == keys), self.dialect)[0]

    def _unnested(self, fields: Sequence[str]) -> Any:
        """Arrays as a table."""
        columns = [sa.column(field, self.table.c[field].type) for field in fields]
        return (
            sa.func.unnest(*[self._array(field) for field in fields])
            .table_valued(*columns, name="given")
            .render_derived()
        )

    def _array(self, field: str) -> Any:
        kind = self._columns[self.fields.index(field)].kind
        return sa.bindparam(f"all_{field}", type_=postgresql.ARRAY(kind))

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
    if dialect == "sqlite":
        return {"sqlite_strict": True, "sqlite_with_rowid": False}
    return {"postgresql_with": {"fillfactor": FILL_FACTOR}}


def _index_name(table: str, fields: Sequence[str]) -> str:
    """One that no other index of any build has, and that no database cuts off."""
    name = "__".join(("ix", table, *fields))
    if len(name.encode()) <= MAX_IDENTIFIER:
        return name
    return f"ix__{table[:40]}__{hashlib.sha256(name.encode()).hexdigest()[:12]}"
