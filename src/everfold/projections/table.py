"""Tables: what a projection's handlers write rows to and its answers read them from.

Within a batch a table is a unit of work with an identity map (Fowler, Patterns of Enterprise Application
Architecture): a row that was asked for may be changed in place, and is written once, when the batch ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from everfold.domain.read_model import ReadModel
from everfold.errors import BrokenRule, NotFound
from everfold.projections.many_rows import delete_rows, fetch_rows, upsert_rows
from everfold.projections.page import Page

if TYPE_CHECKING:
    import sqlalchemy as sa

    from everfold.projections.sql_table import SqlTable

__all__ = ["Table", "Turn"]

M = TypeVar("M", bound=ReadModel)
KEPT_ROWS = 20_000
"""Rows remembered between batches, so that busy ones need not be read again."""


class Turn:
    """Counts the events that are applied, so that tables know which rows a handler can still have in its hands."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 0


class Table(Generic[M]):
    """The rows of one read model. Annotate a projection with it: ``summaries: Table[AccountSummary]``.

    A key is the value of the key field; of several key fields, a tuple in their order.
    """

    __slots__ = (
        "_connection",
        "_deleted",
        "_forgotten",
        "_is_whole",
        "_is_writable",
        "_lent",
        "_lent_in",
        "_rows",
        "_sql",
        "_stored",
        "_touched",
        "_turn",
        "_unknown_keys",
    )

    def __init__(self, sql: SqlTable, connection: Any, *, is_writable: bool, turn: Turn | None = None) -> None:
        """Made by everfold. ``connection``: of the driver, within a transaction; ``turn``: see there."""
        self._sql = sql
        self._connection = connection
        self._is_writable = is_writable
        self._rows: dict[Any, M | None] = {}
        """By key: rows that were read or put; None: there is none."""
        self._stored: dict[Any, tuple[Any, ...]] = {}
        """By key: rows as they are in the database."""
        self._touched: dict[Any, M] = {}
        """Rows that were handed out or put since the last flush: they may have changed."""
        self._lent: dict[Any, M] = {}
        """Rows that were written amid a batch: a handler that is still at work may change them once more."""
        self._lent_in = 0
        self._forgotten: list[tuple[M, tuple[Any, ...]]] = []
        """Rows as they were when they were forgotten amid a batch: a change to them now would be lost."""
        self._turn = turn or Turn()
        self._deleted: dict[Any, None] = {}
        self._unknown_keys = 0
        self._is_whole = False
        """Whether every row is remembered: then there are no others to ask for."""

    # --- one row

    def __getitem__(self, key: object) -> M:
        """The row with this key, which may be changed in place. Raises NotFound."""
        row = self._rows.get(key)
        if row is None:
            row = self._find(key)
            if row is None:
                raise NotFound(self._sql.model.__name__, _text_of(key))
        self._touched[key] = row
        return row

    def get(self, key: object) -> M | None:
        """The row with this key, which may be changed in place, or None."""
        row = self._rows.get(key)
        if row is None:
            row = self._find(key)
            if row is None:
                return None
        self._touched[key] = row
        return row

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None

    def put(self, row: M) -> None:
        """Insert the row, or replace the one with its key."""
        if not self._is_writable:
            raise _read_only()
        sql = self._sql
        if type(row) is not sql.model:
            raise TypeError(f"{row!r} is no {sql.model.__name__}. This table has rows of that class only.")
        key = sql.key_of(row)
        self._rows[key] = self._touched[key] = row
        if self._deleted:
            self._deleted.pop(key, None)

    def delete(self, key: object) -> bool:
        """Delete the row with this key; whether there was one."""
        if not self._is_writable:
            raise _read_only()
        if self.get(key) is None:
            return False
        self._rows[key] = None
        self._touched.pop(key, None)
        self._lent.pop(key, None)
        self._deleted[key] = None
        return True

    def __delitem__(self, key: object) -> None:
        if not self.delete(key):
            raise NotFound(self._sql.model.__name__, _text_of(key))

    def _find(self, key: object) -> M | None:
        if key in self._rows:
            return None
        self._unknown_keys += 1
        sql = self._sql
        stored_key = sql.stored_key(key)
        if not self._rows and self._is_writable and sql.is_remote:
            self._is_whole = self._connection.execute(sql.get_any).fetchone() is None
        values = None if self._is_whole else self._connection.execute(sql.get, stored_key).fetchone()
        if values is None:
            self._rows[key] = None
            return None
        return self._remember(key, values)

    def _remember(self, key: object, values: Sequence[Any]) -> M:
        row = cast("M", self._sql.loaded(values))
        self._rows[key] = row
        self._stored[key] = tuple(values)
        return row

    # --- several rows

    @property
    def columns(self) -> sa.ColumnCollection[str, sa.Column[Any]]:
        """The table's columns for statements of your own: ``table.columns.owner == "Ann"``."""
        return self._sql.table.c

    @property
    def sql(self) -> sa.Table:
        """The table for SQLAlchemy statements of your own: joins, sums, reports."""
        return self._sql.table

    def find(
        self,
        *conditions: sa.ColumnElement[bool],
        order_by: str | Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
        **equal: object,
    ) -> list[M]:
        """The rows whose fields equal what is given, and for which all the conditions hold.

        ``order_by``: field names, with a minus for descending, as in ``["-balance", "owner"]``; then, or by default,
        by key. Fields that the rows are often looked up by should be ``indexes`` of the read model.
        """
        from everfold.projections.finding import find_statement

        return self.rows(find_statement(self._sql, conditions, equal, order_by, limit, offset))

    def page(
        self,
        *conditions: sa.ColumnElement[bool],
        order_by: str | Sequence[str] = (),
        limit: int = 50,
        offset: int = 0,
        **equal: object,
    ) -> Page[M]:
        """As ``find``, with the number of all rows that fit."""
        items = self.find(*conditions, order_by=order_by, limit=limit, offset=offset, **equal)
        is_all = offset == 0 and len(items) < limit
        return Page(items, len(items) if is_all else self.count(*conditions, **equal), limit, offset)

    def count(self, *conditions: sa.ColumnElement[bool], **equal: object) -> int:
        """How many rows there are that fit."""
        from everfold.projections.finding import count_statement

        self.flush()
        return int(self._execute(count_statement(self._sql, conditions, equal)).scalar_one())

    def rows(self, statement: sa.Select[Any]) -> list[M]:
        """The rows that a ``select`` of this table's own columns finds: ``table.rows(table.select().where(...))``."""
        from everfold.projections.finding import whole_rows

        self.flush()
        return [self._known(values) for values in self._execute(whole_rows(self._sql, statement), is_raw=True)]

    def select(self) -> sa.Select[Any]:
        """A statement that selects whole rows, to be narrowed and given to ``rows``."""
        return self._sql.table.select()

    def _known(self, values: Sequence[Any]) -> M:
        """The row as it is in the identity map, or from now on."""
        key = self._key_in(values)
        row = self._rows.get(key)
        if row is None:
            row = self._remember(key, values)
        self._touched[key] = row
        return row

    def _key_in(self, values: Sequence[Any]) -> Any:
        return self._sql.key_of(self._sql.loaded(values)) if self._sql.converts_key else self._sql.key_in(values)

    def _execute(self, statement: Any, *, is_raw: bool = False) -> Any:
        from everfold.projections.finding import run_raw, sqlalchemy_connection

        if is_raw:
            return run_raw(self._connection, statement, self._sql.dialect)
        return sqlalchemy_connection(self._connection, self._sql.dialect).execute(statement)

    # --- the unit of work

    def prefetch(self, keys: Sequence[object]) -> None:
        """Read the rows with these keys at once, if rows had to be read one by one since the last time."""
        if self._unknown_keys < 2 or not self._sql.has_text_key:
            return
        self._unknown_keys = len(keys)  # it helped before: go on
        missing = [key for key in dict.fromkeys(keys) if key not in self._rows]
        if not missing:
            return
        for key in missing:
            self._rows[key] = None
        stored = [self._sql.stored_key(key) for key in missing]
        for values in fetch_rows(self._sql, self._connection, stored):
            self._remember(self._key_in(values), values)

    def flush(self, *, is_last: bool = False) -> bool:
        """Write what changed to the database; whether anything did. After a failed one, the next fails as well.

        ``is_last``: the batch has ended. Amid a batch, handlers may go on changing rows that they have in their hands.
        """
        if not self._is_writable:
            return False
        deleted, changed = self._deleted, self._changed()
        if deleted:
            delete_rows(self._sql, self._connection, [self._sql.stored_key(key) for key in deleted])
            for key in deleted:
                self._stored.pop(key, None)
        if changed:
            upsert_rows(self._sql, self._connection, list(changed.values()))
            self._stored.update(changed)
        if is_last:
            self._lent, self._forgotten = {}, []
        elif self._lent_in == self._turn.number:
            self._lent |= self._touched
        else:  # whoever changed the others is done
            self._lent, self._lent_in, self._forgotten = self._touched, self._turn.number, []
        self._touched, self._deleted = {}, {}
        return bool(deleted or changed)

    def _changed(self) -> dict[Any, tuple[Any, ...]]:
        """By key: what the database does not have yet."""
        sql, stored = self._sql, self._stored
        for row, before in self._forgotten:
            if sql.stored(row) != before and self._rows.get(sql.key_of(row)) is not row:
                raise BrokenRule(
                    f"A {sql.model.__name__} was changed after self.connection was asked for, which makes tables "
                    "forget their rows. Get the row again, then change it."
                )
        changed: dict[Any, tuple[Any, ...]] = {}
        for key, row in (self._lent | self._touched if self._lent else self._touched).items():
            values = sql.stored(row)
            if stored.get(key) != values:
                if sql.key_of(row) != key:
                    raise BrokenRule(
                        f"The key of a {sql.model.__name__} was changed from {key!r} to {sql.key_of(row)!r} in place. "
                        "Delete the row and put another."
                    )
                changed[key] = values
        return changed

    def release(self) -> None:
        """Write what changed, and forget the rows: somebody is about to change them in the database itself."""
        self.flush()
        stored = self._stored
        lent = [(row, stored[key]) for key, row in self._lent.items() if key in stored]
        forgotten = [*self._forgotten, *lent]
        self.forget()
        self._forgotten = forgotten

    def trim(self) -> None:
        """After a flush: forget the rows when there are many."""
        if len(self._rows) > KEPT_ROWS:
            self.forget()

    def forget(self) -> None:
        """Forget everything, for example because it was rolled back."""
        for memory in (self._rows, self._stored, self._touched, self._lent, self._deleted):
            memory.clear()
        self._forgotten = []
        self._is_whole = False


def _text_of(key: object) -> str:
    parts = cast("tuple[object, ...]", key) if isinstance(key, tuple) else (key,)
    return ", ".join(map(str, parts))


def _read_only() -> BrokenRule:
    return BrokenRule("An answer wrote to a table. Answers only read: write in a @project method.")
