"""Read models: what a class declares, and every mistake that is found when it is made."""

from __future__ import annotations

import re
from typing import Annotated, Any

import pytest
from msgspec import Meta, field

from everfold import ReadModel
from everfold.domain.read_model import Row
from everfold.errors import DefinitionError


class Summary(ReadModel, key="account_id", indexes=["owner", ("owner", "balance")]):
    account_id: str
    owner: str
    balance: int = 0
    lines: list[str] = field(default_factory=list[str])


def test_a_class_declares_its_table() -> None:
    definition = Summary.__everfold__
    assert (definition.name, definition.key) == ("summary", ("account_id",))
    assert definition.indexes == (("owner",), ("owner", "balance"))


def test_rows_are_made_by_position_or_by_name_and_may_be_changed() -> None:
    row = Summary("a1", "Ann")
    row.balance += 5
    assert row == Summary(account_id="a1", owner="Ann", balance=5)
    row.lines.append("x")
    assert Summary("a2", "Bob").lines == []


def test_a_key_may_have_several_fields() -> None:
    class PerDay(ReadModel, key=("customer", "day"), name="days"):
        customer: str
        day: str

    assert (PerDay.__everfold__.key, PerDay.__everfold__.name) == (("customer", "day"), "days")


def test_a_subclass_inherits_fields_key_and_indexes_but_not_the_name() -> None:
    class Wider(Summary):
        email: str = ""

    class Other(Summary, key="owner", indexes=["balance"]):
        pass

    assert (Wider.__everfold__.name, Wider.__everfold__.key) == ("wider", ("account_id",))
    assert Wider.__everfold__.indexes == Summary.__everfold__.indexes
    assert Wider.__struct_fields__ == ("account_id", "owner", "balance", "lines", "email")
    assert (Other.__everfold__.key, Other.__everfold__.indexes) == (("owner",), (("balance",),))


def test_fields_may_have_types_of_the_function_around_them() -> None:
    class Line(ReadModel, key="number"):
        number: int

    class Invoice(ReadModel, key="number"):
        number: int
        price: Annotated[int, Meta(ge=0)]
        parent: Invoice | None = None
        lines: list[Line] = field(default_factory=list[Line])

    assert Invoice(1, 2).lines == []


def test_an_index_that_is_named_twice_is_made_once() -> None:
    class Twice(ReadModel, key="a", indexes=["b", ("b",), "b"]):
        a: str
        b: str

    assert Twice.__everfold__.indexes == (("b",),)


def test_the_root_declares_nothing() -> None:
    assert not hasattr(Row, "__everfold__")


METACLASS: Any = type(ReadModel)


def declare(fields: dict[str, Any] | None = None, **keywords: Any) -> type:
    """As ``class Made(ReadModel, **keywords)`` with these fields."""
    namespace = {"__annotations__": fields or {"id": str, "owner": str, "note": str | None}, "__module__": __name__}
    made: type = METACLASS("Made", (ReadModel,), namespace, **keywords)
    return made


@pytest.mark.parametrize(
    ("keywords", "problem"),
    [
        ({}, "key=None does not name the field that identifies a row"),
        ({"key": ()}, "does not name the field"),
        ({"key": "nothing"}, "It has the fields id, note, owner"),
        ({"key": ("id", "nothing")}, "does not name the field"),
        ({"key": 5}, "does not name the field"),
        ({"key": ("id", "id")}, "names a field twice"),
        ({"key": "note"}, "the key field 'note' may be None"),
        ({"key": ("id", "note")}, "the key field 'note' may be None"),
        ({"key": "id", "indexes": "owner"}, "is no list"),
        ({"key": "id", "indexes": {"owner"}}, "is no list"),
        ({"key": "id", "indexes": ["nothing"]}, "indexes='nothing' does not name fields of it"),
        ({"key": "id", "indexes": [()]}, "does not name fields of it"),
        ({"key": "id", "indexes": [("owner", "owner")]}, "names a field twice"),
        ({"key": "id", "name": ""}, "cannot be the name of a table"),
        ({"key": "id", "name": "Made"}, "cannot be the name of a table"),
        ({"key": "id", "name": "made__1"}, "cannot be the name of a table"),
        ({"key": "id", "name": "made; DROP TABLE events"}, "cannot be the name of a table"),
        ({"key": "id", "name": "a" * 41}, "cannot be the name of a table"),
        ({"key": "id", "name": 5}, "cannot be the name of a table"),
        ({"key": "id", "name": "events"}, "cannot be the name of a table"),
        ({"key": "id", "name": "everfold_parked"}, "cannot be the name of a table"),
        ({"key": "id", "name": "sqlite_made"}, "not beginning with"),
        ({"key": "id", "tag": True}, "class keyword tag= does not exist"),
        ({"key": "id", "frozen": True}, "class keyword frozen= does not exist"),
    ],
)
def test_what_makes_no_sense_is_refused(keywords: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=re.escape(problem)):
        declare(**keywords)


def test_fields_that_cannot_be_stored_are_refused() -> None:
    with pytest.raises(DefinitionError, match="the field 'thing' has"):
        declare({"id": str, "thing": object}, key="id")
    with pytest.raises(DefinitionError, match="dict whose keys"):
        declare({"id": str, "thing": dict[tuple[int, int], str]}, key="id")


def test_fields_that_sql_cannot_tell_apart_are_refused() -> None:
    with pytest.raises(DefinitionError, match="several fields are named owner but for capital letters"):
        declare({"id": str, "owner": str, "Owner": str}, key="id")


def test_a_required_field_behind_an_optional_one_is_refused() -> None:
    namespace = {"__annotations__": {"id": str, "owner": str}, "__module__": __name__, "id": ""}
    with pytest.raises(DefinitionError, match="Required field"):
        METACLASS("Made", (ReadModel,), namespace, key="id")
