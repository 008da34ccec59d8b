"""From the fields of a read model to SQL columns, and values both ways. Used by ``sql_table``.

SQLite has no decimals, moments or UUIDs. They are kept so that they sort and compare in SQL as they do in Python:
moments as ISO 8601 text in UTC with six digits, decimals as numbers where a number holds all their digits (up to 15)
and as text where it does not (SQLite sorts text behind all numbers). PostgreSQL has types of its own for all of them,
and is told to sort text by code points, as SQLite and Python do, whatever the language of its database is.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any, ClassVar, cast
from uuid import UUID

import msgspec
from msgspec import inspect
from sqlalchemy import types
from sqlalchemy.sql import operators

from everfold.domain.shape import walk

__all__ = ["Column", "Convert", "columns_of"]

Convert = Callable[[Any], Any]
MAX_DIGITS = 15
"""What a double holds exactly (IEEE 754 binary64)."""
MAX_MAGNITUDE = 300
"""Powers of ten up to which it does so."""
WHOLE = 2**53
"""Whole numbers up to here have a double of their own."""


class Column(msgspec.Struct, frozen=True):
    """One field as a column."""

    name: str
    type: types.TypeEngine[Any]
    is_nullable: bool
    store: Convert | None
    """Makes what the driver takes of a value that is not None; None: it is taken as it is."""
    load: Convert | None
    """The way back."""

    @property
    def kind(self) -> types.TypeEngine[Any]:
        """What the database is told of it."""
        return cast("Stored", self.type).kind

    @property
    def is_plain_text(self) -> bool:
        """Whether any text can be its value."""
        return self.store is None and isinstance(self.kind, types.Text)


class Stored(types.TypeDecorator[Any]):
    """A column whose values are converted, so that a user's own ``select`` yields Python values as well."""

    impl = types.Text
    cache_ok = True
    operator_classes: ClassVar[Any] = getattr(getattr(operators, "OperatorClass", None), "ANY", None)

    def __init__(self, kind: types.TypeEngine[Any], store: Convert | None, load: Convert | None) -> None:
        super().__init__()
        self.kind = kind
        self.store = store
        self.load = load

    def load_dialect_impl(self, dialect: Any) -> types.TypeEngine[Any]:
        """The type that the database is told."""
        return cast("types.TypeEngine[Any]", dialect.type_descriptor(self.kind))

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        """What the driver takes."""
        return value if value is None or self.store is None else self.store(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        """What Python sees."""
        return value if value is None or self.load is None else self.load(value)

    def coerce_compared_value(self, op: Any, value: Any) -> Any:
        """What a column is compared with is converted as the column is."""
        return self


class AnyValue(types.UserDefinedType[Any]):
    """A column of SQLite that keeps numbers as numbers and text as text."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        """The name that a strict table has for it (https://www.sqlite.org/stricttables.html)."""
        return "ANY"


def columns_of(model: type, dialect: str) -> list[Column]:
    """The columns of a read model in the order of its fields, for ``sqlite`` or ``postgresql``."""
    info = cast("inspect.StructType", inspect.type_info(model))
    hints = {field.name: field.type for field in msgspec.structs.fields(model)}
    return [_column(field.name, field.type, hints[field.name], dialect) for field in info.fields]


def _column(name: str, info: inspect.Type, hint: Any, dialect: str) -> Column:
    members = [_plain(member) for member in _members(info)]
    values = [member for member in members if not isinstance(member, inspect.NoneType)]
    is_nullable = any(_is_nullable(member) for member in members)
    make = _KINDS.get(type(values[0])) if len(values) == 1 else None
    kind = make(values[0], dialect) if make else None
    sql_type, store, load = kind or _as_json(info, hint, dialect)
    return Column(name, Stored(sql_type, store, load), is_nullable, store, load)


def _members(info: inspect.Type) -> tuple[inspect.Type, ...]:
    plain = _plain(info)
    return plain.types if isinstance(plain, inspect.UnionType) else (plain,)


def _plain(info: inspect.Type) -> inspect.Type:
    while isinstance(info, inspect.Metadata):
        info = info.type
    return info


_Kind = tuple[types.TypeEngine[Any], Convert | None, Convert | None]


def _is_nullable(info: inspect.Type) -> bool:
    has_none = isinstance(info, inspect.LiteralType) and None in info.values
    return has_none or isinstance(info, inspect.NoneType | inspect.AnyType)


def _as_json(info: inspect.Type, hint: Any, dialect: str) -> _Kind:
    # The order of a set is another one in every process: equal rows would have different text.
    is_set = any(isinstance(node, inspect.SetType | inspect.FrozenSetType) for node in walk(info))
    encode = msgspec.json.Encoder(order="deterministic" if is_set else None).encode
    decode = msgspec.json.Decoder(hint).decode

    def store(value: Any) -> str:
        text = encode(value).decode()
        decode(text)  # what could not be read again must not be stored: its event is to blame, and not later ones
        return text

    return _text_type(dialect), store, decode


def _whole_number(info: Any, dialect: str) -> _Kind:
    return types.Integer() if dialect == "sqlite" else types.BigInteger(), None, None


def _truth(info: Any, dialect: str) -> _Kind:
    return (types.Integer(), None, bool) if dialect == "sqlite" else (types.Boolean(), store_truth, None)


def store_truth(value: bool | int) -> bool:
    """True or false. Zero and one are, as they are for SQLite."""
    if not isinstance(value, int):  # pyright: ignore[reportUnnecessaryIsInstance] (that is the question)
        raise TypeError(f"{value!r} is neither true nor false.")
    return bool(value)


def _number(info: Any, dialect: str) -> _Kind:
    return types.REAL() if dialect == "sqlite" else types.Double(), store_number, None


def store_number(value: float) -> float:
    """The number itself. SQLite would make NULL of what is not a number, and no such two are equal."""
    if value != value:  # noqa: PLR0124 (only NaN is not itself)
        raise ValueError("NaN cannot be stored in a column of numbers. Make the field optional, and store None.")
    return value


def _text(info: Any, dialect: str) -> _Kind:
    return _text_type(dialect), None, None


def _text_type(dialect: str) -> types.Text:
    return types.Text() if dialect == "sqlite" else types.Text(collation="C")


def _bytes(info: Any, dialect: str) -> _Kind:
    return types.LargeBinary(), None, None


def _decimal(info: Any, dialect: str) -> _Kind:
    return (AnyValue(), store_decimal, load_decimal) if dialect == "sqlite" else (types.Numeric(), plain_decimal, None)


def plain_decimal(value: Decimal | int) -> Decimal:
    """The decimal without the zeros at its end: PostgreSQL would keep them, and SQLite does not."""
    value = Decimal(value) if isinstance(value, int) else value
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int) or exponent >= 0 or digits[-1]:
        return value
    zeros = next((place for place, digit in enumerate(reversed(digits)) if digit), len(digits) - 1)
    return Decimal((sign, digits[: len(digits) - zeros], exponent + zeros)) if value else Decimal(0)


def store_decimal(value: Decimal | int) -> float | str:
    """A number that sorts and adds up in SQL when it holds every digit; otherwise text, which loses nothing.

    Equal decimals are stored equally, however they are written.
    """
    value = Decimal(value) if isinstance(value, int) else value
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):  # infinite, or not a number
        return str(value)
    if len(digits) > MAX_DIGITS:
        zeros = next((place for place, digit in enumerate(reversed(digits)) if digit), 0)
        digits, exponent = digits[: len(digits) - zeros], exponent + zeros
    if not value or (len(digits) <= MAX_DIGITS and abs(exponent + len(digits)) <= MAX_MAGNITUDE):
        return float(value)
    return str(Decimal((sign, digits, exponent)))


def load_decimal(stored: float | str) -> Decimal:
    """The decimal of ``store_decimal``, without the zeros at its end."""
    if isinstance(stored, str):
        return Decimal(stored)
    is_whole = -WHOLE < stored < WHOLE and stored == int(stored)
    return Decimal(int(stored)) if is_whole else Decimal(repr(stored))


def _uuid(info: Any, dialect: str) -> _Kind:
    return (types.Text(), store_uuid, UUID) if dialect == "sqlite" else (types.Uuid(), check_uuid, None)


def store_uuid(value: UUID) -> str:
    """Its text. Other text would be found out only when it is read."""
    return str(check_uuid(value))


def check_uuid(value: UUID) -> UUID:
    """The UUID itself, if it is one."""
    if not isinstance(value, UUID):  # pyright: ignore[reportUnnecessaryIsInstance] (that is the question)
        raise TypeError(f"{value!r} is no UUID.")
    return value


def _moment(info: inspect.DateTimeType, dialect: str) -> _Kind:
    if dialect == "sqlite" or info.tz is None:  # PostgreSQL would not know which of both a value is
        return _text_type(dialect), store_moment, dt.datetime.fromisoformat
    if not info.tz:
        return types.DateTime(), check_naive, None
    return types.DateTime(timezone=True), store_aware, in_utc


def store_moment(moment: dt.datetime) -> str:
    """ISO 8601 with six digits of a second: in UTC when it has a time zone, as it is when it has none."""
    return (moment if moment.tzinfo is None else moment.astimezone(dt.UTC)).isoformat(timespec="microseconds")


def store_aware(moment: dt.datetime) -> dt.datetime:
    """The moment in UTC. PostgreSQL would guess the time zone of one that has none."""
    if moment.tzinfo is None:
        raise ValueError(f"The moment {moment} has no time zone. Give it one.")
    return moment.astimezone(dt.UTC)


def check_naive(moment: dt.datetime) -> dt.datetime:
    """The moment itself. PostgreSQL would drop a time zone."""
    if moment.tzinfo is not None:
        raise ValueError(f"The moment {moment} has a time zone, and its field says that it has none. Drop one of both.")
    return moment


def in_utc(moment: dt.datetime) -> dt.datetime:
    """The same moment in UTC: PostgreSQL gives it in the time zone of the connection."""
    return moment.astimezone(dt.UTC)


def _day(info: Any, dialect: str) -> _Kind:
    if dialect == "sqlite":
        return types.Text(), dt.date.isoformat, dt.date.fromisoformat
    return types.Date(), None, None


def _enum(info: inspect.EnumType, dialect: str) -> _Kind | None:
    def store(member: object) -> Any:
        if not isinstance(member, info.cls):
            raise TypeError(f"{member!r} is no {info.cls.__qualname__}.")
        return member.value

    return _valued([member.value for member in info.cls], store, info.cls, dialect)


def _literal(info: inspect.LiteralType, dialect: str) -> _Kind | None:
    return _valued([value for value in info.values if value is not None], None, None, dialect)


def _valued(values: list[Any], store: Convert | None, load: Convert | None, dialect: str) -> _Kind | None:
    if all(type(value) is int for value in values):
        return _whole_number(None, dialect)[0], store, load
    if all(isinstance(value, str) for value in values):
        return _text_type(dialect), store, load
    return None


_KINDS: dict[type[inspect.Type], Callable[[Any, str], _Kind | None]] = {
    inspect.IntType: _whole_number,
    inspect.BoolType: _truth,
    inspect.FloatType: _number,
    inspect.StrType: _text,
    inspect.BytesType: _bytes,
    inspect.DecimalType: _decimal,
    inspect.UUIDType: _uuid,
    inspect.DateTimeType: _moment,
    inspect.DateType: _day,
    inspect.EnumType: _enum,
    inspect.LiteralType: _literal,
}
"""How each kind of field is kept; what is not here, or not always, is kept as JSON."""
