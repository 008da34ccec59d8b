"""Columns: every kind of field both ways, what is refused, and that SQL sorts as Python does."""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import field

from everfold import ReadModel
from everfold.projections.columns import columns_of, in_utc, load_decimal, store_decimal
from everfold.projections.sql_table import SqlTable
from tests.projections.tables import REFUSALS, beside, database, dialect_of, make_table, undone

pytestmark = pytest.mark.usefixtures("dialect")
QUICK = settings(max_examples=50, deadline=None)
NOON = dt.datetime(2030, 1, 2, 12, tzinfo=dt.UTC)


class State(enum.Enum):
    OPEN = "open"
    CLOSED = "closed"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Line(msgspec.Struct, frozen=True):
    product: str
    price: Decimal
    parts: dict[str, list[int]]


class Everything(ReadModel, key="id"):
    id: str
    number: int = 0
    amount: float = 0.0
    price: Decimal = Decimal(0)
    is_open: bool = False
    raw: bytes = b""
    uid: UUID = UUID(int=0)
    at: dt.datetime = NOON
    day: dt.date = NOON.date()
    time: dt.time = dt.time(1)
    span: dt.timedelta = dt.timedelta(1)
    state: State = State.OPEN
    level: Level = Level.LOW
    word: Literal["a", "b"] = "a"
    step: Literal[1, 2] = 1
    both: Literal["a", 1, None] = None
    maybe_number: int | None = None
    maybe_price: Decimal | None = None
    maybe_state: State | None = None
    text_or_number: str | int = 0
    line: Line | None = None
    lines: list[Line] = field(default_factory=list[Line])
    names: frozenset[str] = frozenset()
    anything: Any = None


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
_NUMBERS = st.integers(-(2**63), 2**63 - 1)
_DECIMALS = st.decimals(allow_nan=False)
_MOMENTS = st.datetimes(timezones=st.just(dt.UTC) | st.timezones()).filter(lambda moment: 1 < moment.year < 9999)
_LINES = st.builds(
    Line, _TEXT, st.decimals(allow_nan=False, allow_infinity=False), st.dictionaries(_TEXT, st.lists(st.integers(0, 9)))
)
ROWS = st.builds(
    Everything,
    id=_TEXT,
    number=_NUMBERS,
    amount=st.floats(allow_nan=False),
    price=_DECIMALS,
    is_open=st.booleans(),
    raw=st.binary(max_size=20),
    uid=st.uuids(),
    at=_MOMENTS | st.datetimes(),
    day=st.dates(),
    time=st.times(),
    span=st.timedeltas(dt.timedelta(-1000), dt.timedelta(1000)),
    state=st.sampled_from(State),
    level=st.sampled_from(Level),
    word=st.sampled_from(["a", "b"]),
    step=st.sampled_from([1, 2]),
    both=st.sampled_from(["a", 1, None]),
    maybe_number=st.none() | _NUMBERS,
    maybe_price=st.none() | _DECIMALS,
    maybe_state=st.none() | st.sampled_from(State),
    text_or_number=_TEXT | st.integers(0, 5),
    line=st.none() | _LINES,
    lines=st.lists(_LINES, max_size=2),
    names=st.frozensets(_TEXT, max_size=3),
    anything=st.none() | _TEXT | st.lists(st.integers(0, 5)),
)


def storable(row: Everything, connection: Any) -> Everything:
    """PostgreSQL has no NUL in text."""
    if dialect_of(connection) == "postgresql":
        row.id = row.id.replace("\0", "")
    return row


@given(ROWS)
@example(Everything("", 2**63 - 1, math.inf, Decimal("Infinity")))
@example(Everything("a\0b", -(2**63), -0.0, Decimal("123456789012345E+15")))
@QUICK
def test_every_kind_of_field_comes_back_as_it_was(row: Everything) -> None:
    with database() as connection:
        table = make_table(connection, Everything)
        table.put(storable(row, connection))
        assert table.flush(is_last=True)
        other = beside(connection, Everything)
        assert other[row.id] == row
        assert other.find() == [row]
        assert not other.flush(is_last=True), "what was only read is not written again"


@given(ROWS)
@settings(max_examples=30, deadline=None)
def test_sqlalchemy_sees_the_values_of_python(row: Everything) -> None:
    with database() as connection:
        table = make_table(connection, Everything)
        table.put(storable(row, connection))
        columns = table.columns
        assert (
            table.count(columns.price == row.price, columns.at == row.at, columns.uid == row.uid, state=row.state) == 1
        )
        found = table.find(
            columns.price.in_([row.price]), columns.state.in_([row.state]), columns.line.in_([row.line]) | sa.true()
        )
        assert found == [row]
        assert table.find(is_open=row.is_open, both=row.both, maybe_price=row.maybe_price) == [row]


def ordered(kind: Any, values: list[Any]) -> list[Any]:
    """The values in the order that SQL gives them."""
    namespace = {"__annotations__": {"id": int, "value": kind}, "__module__": __name__}
    metaclass: Any = type(ReadModel)
    model = metaclass("Made", (ReadModel,), namespace, key="id")
    with database() as connection:
        table = make_table(connection, model)
        for number, value in enumerate(values):
            table.put(model(number, value))
        found = [row.value for row in table.find(order_by="value")]
        middle = values[len(values) // 2]
        assert table.count(table.columns.value < middle) == sum(value < middle for value in values)
        return found


SHORT_DECIMALS = st.decimals(-(10**9), 10**9, places=4)


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (Decimal, SHORT_DECIMALS),
        (dt.datetime, _MOMENTS),
        (dt.date, st.dates()),
        (int, _NUMBERS),
        (float, st.floats(allow_nan=False)),
        (str, _TEXT.filter(lambda text: "\0" not in text)),
        (bytes, st.binary(max_size=5)),
    ],
    ids=str,
)
def test_sql_sorts_and_compares_as_python_does(kind: Any, values: st.SearchStrategy[Any]) -> None:
    @given(st.lists(values, min_size=1, max_size=8))
    @settings(max_examples=15, deadline=None)
    def check(some: list[Any]) -> None:
        assert ordered(kind, some) == sorted(some)

    check()


@given(st.decimals(allow_nan=False), st.integers(0, 30))
@example(Decimal("123456789012345E+15"), 1)
@example(Decimal("0E+400"), 2)
@example(Decimal("1E+301"), 20)
@example(Decimal("1E-290"), 20)
@QUICK
def test_equal_decimals_are_stored_equally(value: Decimal, zeros: int) -> None:
    stored = store_decimal(value)
    assert load_decimal(stored) == value
    sign, digits, exponent = value.as_tuple()
    if isinstance(exponent, int):
        assert store_decimal(Decimal((sign, digits + (0,) * zeros, exponent - zeros))) == stored


def test_decimals_that_are_no_numbers_keep_their_names() -> None:
    assert [store_decimal(Decimal(name)) for name in ("NaN", "Infinity", "-Infinity")] == [
        "NaN",
        "Infinity",
        "-Infinity",
    ]
    assert load_decimal("NaN").is_nan()


def test_a_whole_number_may_be_compared_with_a_decimal() -> None:
    assert ordered(Decimal, [Decimal(3), Decimal(1)]) == [Decimal(1), Decimal(3)]
    with database() as connection:
        table = make_table(connection, Everything)
        table.put(Everything("a", price=Decimal("1.5")))
        assert table.count(table.columns.price > 1) == 1
        assert table.count(table.columns.price > 2) == 0


def test_a_moment_with_any_time_zone_is_found() -> None:
    east = dt.timezone(dt.timedelta(hours=5))
    with database() as connection:
        table = make_table(connection, Everything)
        table.put(Everything("a", at=NOON))
        assert table.find(at=NOON.astimezone(east))
        assert table.find(table.columns.at <= NOON.astimezone(east))
        assert not table.find(table.columns.at < NOON.astimezone(east))


class Settled(ReadModel, key="at"):
    at: Annotated[dt.datetime, msgspec.Meta(tz=True)]
    local: Annotated[dt.datetime, msgspec.Meta(tz=False)]
    maybe: Annotated[dt.datetime, msgspec.Meta(tz=True)] | None = None


@given(st.builds(Settled, _MOMENTS, st.datetimes(), st.none() | _MOMENTS))
@QUICK
def test_moments_with_a_settled_time_zone(row: Settled) -> None:
    with database() as connection:
        table = make_table(connection, Settled)
        table.put(row)
        table.flush(is_last=True)
        other = beside(connection, Settled)
        same = Settled(in_utc(row.at), row.local, row.maybe and in_utc(row.maybe))  # not equal when clocks are put back
        assert other[row.at] in (row, same)
        assert other.find(local=row.local, maybe=row.maybe)[0] in (row, same)
        assert not other.flush(is_last=True)


def test_sets_are_stored_in_one_order() -> None:
    stored = SqlTable(Everything, "t", "sqlite").stored
    place = Everything.__struct_fields__.index("names")
    assert stored(Everything("", names=frozenset({"b", "a", "c"})))[place] == '["a","b","c"]'


WRONG: dict[str, Everything] = {
    "too large": Everything("a", number=2**63),
    "too small": Everything("a", number=-(2**63) - 1),
    "no number": Everything("a", amount=math.nan),
    "lone surrogate": Everything("\ud800"),
    "lone surrogate in a struct": Everything("a", line=Line("\ud800", Decimal(0), {})),
}


WRONG_VALUES: dict[str, Any] = {
    "price": "1.5",
    "uid": "00000000-0000-0000-0000-000000000001",
    "at": "2020-01-01",
    "day": "2020-01-01",
    "state": "open",
    "level": 1,
    "raw": "text",
    "is_open": "yes",
    "lines": [5],
    "line": object(),
    "number": "many",
    "both": 2**70,
    "id": None,
}


def wrong(name: str) -> Everything:
    row = Everything("a")
    setattr(row, name, WRONG_VALUES[name])
    return row


ALL_WRONG = WRONG | {f"a wrong {name}": wrong(name) for name in WRONG_VALUES}


@pytest.mark.parametrize("row", ALL_WRONG.values(), ids=list(ALL_WRONG))
def test_what_does_not_fit_its_column_is_refused_and_not_stored(row: Everything) -> None:
    with database() as connection:
        table = make_table(connection, Everything)
        table.put(row)
        for _ in range(2):  # and again, so that a handler cannot swallow the error
            with undone(connection), pytest.raises(REFUSALS):
                table.flush()
        assert beside(connection, Everything).count() == 0


def test_not_a_number_is_not_taken_for_none() -> None:
    class Maybe(ReadModel, key="id"):
        id: str
        amount: float | None = None
        amounts: list[float] = field(default_factory=list[float])

    with database() as connection:
        table = make_table(connection, Maybe)
        table.put(Maybe("a", math.nan))
        with pytest.raises(ValueError, match="NaN cannot be stored"):
            table.flush()
        table.put(Maybe("a", None, [math.nan]))
        with pytest.raises(ValueError, match="null"):
            table.flush()


@pytest.mark.parametrize(
    "column",
    [
        'id VARCHAR COLLATE "C" NOT NULL',  # sorted by code points
        "number BIGINT NOT NULL",
        "amount FLOAT NOT NULL",
        "price NUMERIC NOT NULL",
        "is_open BOOLEAN NOT NULL",
        "raw BYTEA NOT NULL",
        "uid UUID NOT NULL",
        'at VARCHAR COLLATE "C" NOT NULL',  # its time zone is left open
        "day DATE NOT NULL",
        'state VARCHAR COLLATE "C" NOT NULL',
        "level BIGINT NOT NULL",
        "maybe_price NUMERIC, ",
        'lines VARCHAR COLLATE "C" NOT NULL',
    ],
)
def test_postgresql_has_types_of_its_own(column: str) -> None:
    (create,) = SqlTable(Everything, "t", "postgresql").statements_to_create()
    assert f" {column}" in " ".join(create.split())


def test_moments_with_a_settled_time_zone_are_timestamps_in_postgresql() -> None:
    class Moment(ReadModel, key="id"):
        id: str
        at: Annotated[dt.datetime, msgspec.Meta(tz=True)]
        local: Annotated[dt.datetime, msgspec.Meta(tz=False)]

    _, at, local = columns_of(Moment, "postgresql")
    load: Callable[[Any], Any] | None = at.load
    assert load
    assert load(dt.datetime(2030, 1, 2, 13, tzinfo=dt.timezone(dt.timedelta(hours=1)))) == NOON
    assert local.load is None
    assert at.store
    assert local.store
    with pytest.raises(ValueError, match="no time zone"):
        at.store(NOON.replace(tzinfo=None))
    with pytest.raises(ValueError, match="has a time zone"):
        local.store(NOON)
    statements = list(SqlTable(Moment, "moments", "postgresql").statements_to_create())
    assert "at TIMESTAMP WITH TIME ZONE NOT NULL" in statements[0]
