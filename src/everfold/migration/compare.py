"""Parallel run: is a read model what the legacy table beside it says? Walks along both by key: memory stays flat.

The read model's rows come through a ``RowSource`` (the command line makes one of a projection's table): migrations
know no projections. Rows of the legacy database are brought into the order of the read model's keys by that database.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import sqlalchemy as sql
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError

from everfold.domain.read_model import ReadModel
from everfold.errors import ConfigurationError, InvalidImport
from everfold.log.table_difference import Difference, pairs_by_key

__all__ = ["LegacyTable", "ParallelRun", "RowSource", "compare_with_legacy"]

T = TypeVar("T")
Convert = Callable[[Any], Any]
Tolerance = float | Decimal | Mapping[str, float | Decimal]
Progress = Callable[[int, float | None], None]
PAGE = 1_000
TOLD = 500
EXAMPLES = 20
_BINARY = {"sqlite": "BINARY", "postgresql": "C", "mysql": "utf8mb4_bin", "mariadb": "utf8mb4_bin"}
"""The collation that sorts text by code points, as SQLite keeps read models and Python compares."""


class RowSource(Protocol):
    """The rows of a read model, on one consistent view."""

    model: type[ReadModel]

    async def read(self, job: Callable[[Callable[[Sequence[str]], Iterator[Any]]], T]) -> T:
        """Run a job in a thread. It is given a function from field names to all rows in the order of those fields."""
        ...


class LegacyTable(msgspec.Struct, frozen=True, kw_only=True):
    """A legacy table, and how its columns are the fields of a read model::

        LegacyTable(
            database="postgresql://host/bank",
            query="accounts",
            columns={"acct_no": "account_id", "cents": ("balance", lambda cents: cents / 100)},
            ignored=["opened_on"],
            tolerance=0.01,
        )

    Columns that are not named are taken for the field of the same name.
    """

    database: str | sql.Engine
    """A SQLAlchemy URL or engine."""
    query: str | sql.SelectBase
    """The name of a table (``"accounts"``, ``"sales.accounts"``), a ``SELECT`` as text, or a ``select()``."""
    columns: Mapping[str, str | tuple[str, Convert]] = {}
    """By legacy column: the field, or the field and what makes its value."""
    key: Sequence[str] = ()
    """The fields that rows are matched by, which have to identify them; by default the read model's key."""
    ignored: Sequence[str] = ()
    """Fields that are not compared."""
    tolerance: Tolerance = 0
    """How far numbers may be apart (moments: in seconds), for all fields or by field."""


class ParallelRun(msgspec.Struct, frozen=True):
    """How a read model differs from the legacy table."""

    table: str
    """The read model's."""
    compared: tuple[str, ...]
    """The fields."""
    not_compared: tuple[str, ...]
    """Legacy columns that no field has the name of."""
    difference: Difference
    """``added``: only in the read model; ``removed``: only in the legacy table."""

    @property
    def is_same(self) -> bool:
        """Whether they are equal."""
        return self.difference.is_same


async def compare_with_legacy(
    legacy: LegacyTable, rows: RowSource, *, progress: Progress | None = None, examples: int = EXAMPLES
) -> ParallelRun:
    """Compare every row. Neither side is changed, and what is written meanwhile is not seen.

    ``progress``: called in a thread with the number of further rows, and the share that is done. ``examples``: how many
    differing rows to keep. Raises ConfigurationError for columns and keys that do not fit, InvalidImport for a legacy
    database that cannot be read.
    """
    comparison = _Comparison(legacy, rows.model, examples)
    with _connected(legacy.database) as connect:
        return await rows.read(lambda read: comparison.run(connect, read, progress))


@contextmanager
def _connected(database: str | sql.Engine) -> Generator[Callable[[], sql.Connection]]:
    if not isinstance(database, str):
        yield database.connect
        return
    _check_file(database)
    try:
        engine = sql.create_engine(_with_driver(database))
    except (SQLAlchemyError, ImportError) as error:
        raise ConfigurationError(f"{_reason(error)}. Give a SQLAlchemy URL such as sqlite:///old.db.") from error
    try:
        yield engine.connect
    finally:
        engine.dispose()


def _with_driver(url: str) -> str:
    """SQLAlchemy takes another driver for PostgreSQL when none is named, unless ours is all there is."""
    scheme, separator, rest = url.partition("://")
    is_ours = scheme in ("postgresql", "postgres") and find_spec("psycopg") is not None
    return f"postgresql+psycopg{separator}{rest}" if is_ours else url


def _check_file(url: str) -> None:
    """SQLite would make a file that is not there."""
    if not url.startswith("sqlite:///"):
        return
    path = Path(url.removeprefix("sqlite:///").partition("?")[0])
    if path.name not in ("", ":memory:") and not path.exists():
        raise ConfigurationError(f"There is no legacy database {path}. Nothing was made; check the path.")


class _Comparison:
    """One comparison; runs in one thread."""

    def __init__(self, legacy: LegacyTable, model: type[ReadModel], examples: int) -> None:
        self._legacy = legacy
        self._model = model
        self._examples = examples
        self._types = {field.name: field.type for field in msgspec.structs.fields(model)}
        self._key = tuple(legacy.key) or model.__everfold__.key
        self._check_fields((*self._key, *legacy.ignored, *(field for field, _ in self._given().values())))

    def _given(self) -> dict[str, tuple[str, Convert | None]]:
        return {
            column: (named, None) if isinstance(named, str) else named for column, named in self._legacy.columns.items()
        }

    def _check_fields(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self._types:
                raise ConfigurationError(
                    f"{self._model.__name__} has no field {name!r}. It has {', '.join(self._types)}."
                )

    def run(
        self,
        connect: Callable[[], sql.Connection],
        read: Callable[[Sequence[str]], Iterator[Any]],
        progress: Progress | None,
    ) -> ParallelRun:
        try:
            with connect() as connection:
                source = _source(connection, self._legacy.query)
                names = [str(column.name) for column in source.c]  # SQLAlchemy has a kind of text of its own
                fields = self._columns_by_field(names)
                found = self._walk(connection, source, fields, read, progress)
        except NoSuchTableError as error:
            raise InvalidImport("the database has no such table. Check its name.", source=self._name) from error
        except SQLAlchemyError as error:
            raise InvalidImport(f"cannot be read: {_reason(error)}", source=self._name) from error
        used = {column for column, _ in fields.values()}
        left = tuple(name for name in names if name not in used)
        compared = tuple(field for field in self._types if field in fields)
        return ParallelRun(self._model.__everfold__.name, compared, left, found)

    @property
    def _name(self) -> str:
        query = self._legacy.query
        return f"table {query}" if isinstance(query, str) and not _is_select(query) else "query"

    def _columns_by_field(self, there: Sequence[str]) -> dict[str, tuple[str, Convert | None]]:
        """The legacy column of each field that is compared, and what converts it."""
        given = self._given()
        for column in given:
            if column not in there:
                raise ConfigurationError(
                    f"The legacy {self._name} has no column {column!r}. It has {', '.join(there)}."
                )
        found: dict[str, tuple[str, Convert | None]] = {}
        found |= {name: (name, None) for name in there if name in self._types and name not in given}
        found |= {field: (column, convert) for column, (field, convert) in given.items()}
        wanted = [field for field in self._types if field not in self._legacy.ignored or field in self._key]
        if missing := [field for field in wanted if field not in found]:
            raise ConfigurationError(
                f"The legacy {self._name} has no column for {', '.join(missing)}. Name one for each (COLUMN=FIELD), or "
                f"ignore the field. Its columns are {', '.join(there)}."
            )
        return {field: found[field] for field in wanted}

    def _walk(
        self,
        connection: sql.Connection,
        source: sql.FromClause,
        fields: Mapping[str, tuple[str, Convert | None]],
        read: Callable[[Sequence[str]], Iterator[Any]],
        progress: Progress | None,
    ) -> Difference:
        total = connection.execute(sql.select(sql.func.count()).select_from(source)).scalar_one()
        found = Difference(self._model.__everfold__.name)
        others = tuple(field for field in fields if field not in self._key)
        olds = _told(self._legacy_rows(connection, source, fields), total, progress)
        news = _ascending(self._model_rows(read, fields), "The read model")
        for key, old, new in pairs_by_key(_ascending(olds, f"The legacy {self._name}"), news):
            differing: list[str] = []
            if old is not None and new is not None:
                differing = [field for field in others if not self._is_same(field, old[field], new[field])]
                if not differing:
                    found.same += 1
                    continue
            found.note(key, old, new, fields=differing, shown=self._examples)
        return found

    def _legacy_rows(
        self, connection: sql.Connection, source: sql.FromClause, fields: Mapping[str, tuple[str, Convert | None]]
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        order = [self._order(source.c[fields[field][0]], field, connection.dialect.name) for field in self._key]
        query = sql.select(*[source.c[column].label(field) for field, (column, _) in fields.items()]).order_by(*order)
        rows = connection.execution_options(stream_results=True, yield_per=PAGE).execute(query)
        for row in rows:
            values = {
                field: self._converted(value, field, convert)
                for (field, (_, convert)), value in zip(fields.items(), row, strict=True)
            }
            yield self._key_of(values), values

    def _order(self, column: sql.ColumnElement[Any], field: str, dialect: str) -> sql.ColumnElement[Any]:
        """The column in the order of the read model's field: text by code points, also where it is a number here."""
        if not _is_text(self._types[field]):
            return column
        if not isinstance(column.type, sql.String):
            column = sql.cast(column, sql.String)
        collation = _BINARY.get(dialect)
        return column.collate(collation) if collation else column

    def _converted(self, value: Any, field: str, convert: Convert | None) -> Any:
        if convert is not None:
            return convert(value)
        return None if value is None else _as_type(value, self._types[field])

    def _model_rows(
        self, read: Callable[[Sequence[str]], Iterator[Any]], fields: Mapping[str, object]
    ) -> Iterator[tuple[Any, dict[str, Any]]]:
        for row in read(self._key):
            values = {field: getattr(row, field) for field in fields}
            yield self._key_of(values), values

    def _key_of(self, values: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple([_sortable(values[field]) for field in self._key])

    def _is_same(self, field: str, old: Any, new: Any) -> bool:
        if old == new:
            return True
        tolerance = self._legacy.tolerance
        allowed = tolerance.get(field, 0) if isinstance(tolerance, Mapping) else tolerance
        return bool(allowed) and _is_near(old, new, allowed)


def _source(connection: sql.Connection, query: str | sql.SelectBase) -> sql.FromClause:
    if not isinstance(query, str):
        return query.subquery("legacy")
    if _is_select(query):
        text = query.strip().rstrip(";")
        names = connection.execute(sql.text(f"SELECT * FROM ({text}) AS legacy WHERE 1 = 0")).keys()  # noqa: S608
        columns: list[Any] = [sql.column(name) for name in names]
        return sql.text(text).columns(*columns).subquery("legacy")
    schema, _, name = query.rpartition(".")
    return sql.Table(name, sql.MetaData(), autoload_with=connection, schema=schema or None)


def _is_select(query: str) -> bool:
    return query.lstrip().lower().startswith(("select ", "select\n", "with "))


def _is_text(hint: Any) -> bool:
    return getattr(hint, "__origin__", hint) is str


def _ascending(rows: Iterator[tuple[Any, T]], whose: str) -> Iterator[tuple[Any, T]]:
    """The rows, once it is sure that their keys ascend: what the walk along both sides rests on."""
    last: Any = None
    for key, row in rows:
        if any(part is None for part in key):
            raise ConfigurationError(f"{whose} has a row without a key: {row!r}. Compare a select that leaves it out.")
        try:
            is_behind = last is None or last < key
        except TypeError as error:
            raise ConfigurationError(f"{whose} has keys that cannot be compared: {last!r} and {key!r}.") from error
        if not is_behind:
            problem = "the key twice" if last == key else f"the key after {last!r}, which is not their order as values"
            advice = "Match by a key that is unique, and convert it in a select, so that the database sorts the result."
            raise ConfigurationError(f"{whose} has {problem}: {key!r}. {advice}")
        last = key
        yield key, row


def _told(rows: Iterator[T], total: int, progress: Progress | None) -> Iterator[T]:
    """The rows, with the progress told now and then."""
    number = 0
    for number, row in enumerate(rows, 1):
        if progress and number % TOLD == 0:
            progress(TOLD, min(number / total, 1.0) if total else None)
        yield row
    if progress and number % TOLD:
        progress(number % TOLD, 1.0)


def _as_type(value: Any, hint: Any) -> Any:
    """A value of the driver as the read model's field has it; as it is when it cannot be one."""
    if isinstance(value, dt.datetime) and value.tzinfo is None:
        value = value.replace(tzinfo=dt.UTC)  # what databases without time zones keep, as a rule
    for attempt in (value, str(value).strip()):
        try:
            return msgspec.convert(attempt, hint, strict=False)
        except (msgspec.ValidationError, ValueError):
            continue
    if isinstance(value, str):
        try:
            return msgspec.json.decode(value, type=hint)
        except msgspec.DecodeError:
            return value
    return value


def _sortable(value: Any) -> Any:
    return value.value if isinstance(value, enum.Enum) else value


def _is_near(old: Any, new: Any, allowed: float | Decimal) -> bool:
    if isinstance(old, dt.datetime) and isinstance(new, dt.datetime):
        return abs((old - new).total_seconds()) <= allowed
    numbers = (int, float, Decimal)
    if not isinstance(old, numbers) or not isinstance(new, numbers):
        return False
    return abs(Decimal(str(old)) - Decimal(str(new))) <= Decimal(str(allowed))


def _reason(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(".")
