"""Read models: the rows that answer queries. Each class becomes an SQL table of its projection.

A read model is a mutable struct, so that a projection may change its fields in place.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from typing import Any, ClassVar, Unpack, cast, dataclass_transform

import msgspec

from everfold.domain.annotations import names_around, settle_fields
from everfold.domain.class_keywords import StructOptions, make_class, place_in, place_of
from everfold.domain.message import check_fields
from everfold.domain.shape import accepts_none, field_names, type_of_field
from everfold.errors import DefinitionError
from everfold.identifiers import snake

__all__ = ["ReadModel", "ReadModelDefinition", "Row"]

KEYWORDS = ("name", "key", "indexes")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_RESERVED = ("everfold_", "sqlite_", "pg_")
_OF_THE_LOG = {"events", "event_tags", "log_head", "replies", "checkpoints", "snapshots"}
Fields = str | Sequence[str]
Names = Sequence[str]


class ReadModelDefinition(msgspec.Struct, frozen=True):
    """What a read model class declares."""

    name: str
    """The name of its table: snake case, from the class name unless given."""
    key: tuple[str, ...]
    """The field or fields that identify a row."""
    indexes: tuple[tuple[str, ...], ...]
    """Further fields, or groups of fields, that rows are looked up by."""


class ReadModelMeta(msgspec.StructMeta):
    """Makes read model classes and checks them."""

    def __new__(
        metacls,
        class_name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        name: str | None = None,
        key: Fields | None = None,
        indexes: Sequence[Fields] = (),
        **options: Unpack[StructOptions],
    ) -> Any:
        """Make the class; every mistake that can be seen now is a DefinitionError."""
        where = place_in(namespace, class_name)
        make = super().__new__
        config: Any = dict(options)
        cls: Any = make_class(lambda: make(metacls, class_name, bases, namespace, **config), where, options, KEYWORDS)
        if any(isinstance(base, ReadModelMeta) and base.__name__ != "Row" for base in bases):
            settle_fields(cls, names_around(inspect.currentframe()))
            cls.__everfold__ = _define(cls, name=name, key=key, indexes=indexes)
        return cls


@dataclass_transform(field_specifiers=(msgspec.field,))
class Row(msgspec.Struct, metaclass=ReadModelMeta):
    """The root of read models."""


class ReadModel(Row):
    """One kind of row that a projection keeps and queries are answered from::

        class AccountSummary(ReadModel, key="account_id", indexes=["owner"]):
            account_id: str
            owner: str
            balance: int

    ``key``: the field that identifies a row, or several: ``key=("customer_id", "day")``. ``indexes``: fields, or
    groups of fields, that rows are looked up by. ``name``: of the SQL table, by default the class name in snake case.
    Plain fields become typed columns; lists, dicts and structs are kept as JSON.
    """

    __everfold__: ClassVar[ReadModelDefinition]


def _define(cls: type, *, name: object, key: object, indexes: object) -> ReadModelDefinition:
    where = place_of(cls)
    inherited: ReadModelDefinition | None = getattr(cls, "__everfold__", None)
    name = snake(cls.__name__) if name is None else name
    if name in _OF_THE_LOG or not isinstance(name, str) or not _is_free(name):
        raise DefinitionError(
            f"{where}: {name!r} cannot be the name of a table. Give another with name=: a letter, then up to 39 small "
            f"letters, digits and single underscores; not one of {', '.join(sorted(_OF_THE_LOG))}, and not beginning "
            f"with {', '.join(_RESERVED)}."
        )
    given = inherited.key if key is None and inherited else _fields(cls, key, "key=", "the field that identifies a row")
    check_fields(cls)
    _check_columns(cls)
    for field in given:
        if accepts_none(type_of_field(cls, field)):
            raise DefinitionError(f"{where}: the key field {field!r} may be None. It identifies a row: require it.")
    return ReadModelDefinition(name, given, _indexes(cls, indexes) or (inherited.indexes if inherited else ()))


def _check_columns(cls: type) -> None:
    """SQL does not tell ``Owner`` from ``owner``."""
    names = [field.lower() for field in field_names(cls)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DefinitionError(
            f"{place_of(cls)}: several fields are named {', '.join(twice)} but for capital letters, which is one name "
            "in SQL. Rename all but one."
        )


def _is_free(name: str) -> bool:
    return bool(_NAME.fullmatch(name)) and not name.startswith(_RESERVED) and "__" not in name


def _indexes(cls: type, indexes: object) -> tuple[tuple[str, ...], ...]:
    if isinstance(indexes, str) or not isinstance(indexes, list | tuple):
        raise DefinitionError(f"{place_of(cls)}: indexes={indexes!r} is no list. Write indexes=['owner'].")
    given = cast("Sequence[object]", indexes)
    found = [_fields(cls, index, "indexes=", "fields of it") for index in given]
    return tuple(dict.fromkeys(found))


def _fields(cls: type, given: object, keyword: str, what: str) -> tuple[str, ...]:
    names: Any = (given,) if isinstance(given, str) else given
    known = field_names(cls)
    if not isinstance(names, list | tuple) or not names or any(field not in known for field in cast("Names", names)):
        raise DefinitionError(
            f"{place_of(cls)}: {keyword}{given!r} does not name {what}. It has the fields {', '.join(sorted(known))}."
        )
    if len(set(cast("Names", names))) < len(cast("Names", names)):
        raise DefinitionError(f"{place_of(cls)}: {keyword}{given!r} names a field twice. Name it once.")
    return tuple(cast("Names", names))
