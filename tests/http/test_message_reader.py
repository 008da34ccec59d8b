"""Commands and queries read from paths, query strings and bodies."""

import datetime as dt
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

import pytest
from msgspec import Meta, field
from starlette.datastructures import QueryParams

from everfold import Command, Query
from everfold.errors import InvalidMessage, MalformedRequest
from everfold.http.message_reader import MessageReader


@dataclass
class Spot:
    x: int
    y: int


class Move(Command):
    item_id: Annotated[str, Meta(max_length=5)]
    to: int
    why: str = field(name="because", default="")
    seen: list[str] = field(default_factory=list[str])


class Search(Query[int]):
    text: str = ""
    max_price: Decimal | None = None
    on: dt.date | None = None
    is_new: bool = False
    kinds: list[str] = field(default_factory=list[str])
    sizes: tuple[int, ...] = ()
    near: Spot | None = None


def test_a_body_is_the_whole_message() -> None:
    read = MessageReader(Move).from_body(b'{"item_id": "a", "to": 3, "because": "so"}', {})

    assert read == Move(item_id="a", to=3, why="so")


def test_no_body_is_an_empty_object() -> None:
    assert MessageReader(Search).from_body(b"", {}) == Search()


def test_fields_of_the_path_are_taken_from_it() -> None:
    reader = MessageReader(Move, ["item_id", "to"])

    assert reader.from_body(b'{"because": "so"}', {"item_id": "7", "to": "3"}) == Move(item_id="7", to=3, why="so")


@pytest.mark.parametrize(
    ("body", "path", "named"),
    [
        (b'{"to": 1}', {"item_id": "toolong"}, "{item_id}"),
        (b'{"item_id": "a", "to": 1}', {"item_id": "a"}, "item_id"),
        (b"{}", {"item_id": "a"}, "to"),
    ],
)
def test_a_field_of_the_path_is_checked_and_not_taken_from_the_body(
    body: bytes, path: dict[str, str], named: str
) -> None:
    with pytest.raises(InvalidMessage, match=named):
        MessageReader(Move, ["item_id"]).from_body(body, path)


def test_the_defaults_of_a_message_hold_beside_a_path_and_are_not_shared() -> None:
    reader = MessageReader(Move, ["item_id"])

    one, other = (reader.from_body(b'{"to": 1}', {"item_id": "a"}) for _ in range(2))

    assert one.seen == []
    assert one.seen is not other.seen


@pytest.mark.parametrize("body", [b'{"item_id": "a", "to": "x"}', b'{"item_id": "a"}', b"[]", b'{"to": 1, "item": 1}'])
def test_what_does_not_fit_is_an_invalid_message(body: bytes) -> None:
    with pytest.raises(InvalidMessage, match="move is not valid"):
        MessageReader(Move).from_body(body, {})


@pytest.mark.parametrize(
    "body", [b"{", b"nonsense", b'{"to": NaN}', b'"\xff"', b'{"item_id": "\\ud800"}', b"[" * 100_000, b'{"a":' * 50_000]
)
def test_what_is_no_json_is_a_malformed_request(body: bytes) -> None:
    with pytest.raises((MalformedRequest, InvalidMessage)) as raised:
        MessageReader(Move).from_body(body, {})

    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", Search()),
        ("text=a%20b&is_new=true", Search(text="a b", is_new=True)),
        ("max_price=1.50&on=2030-01-31", Search(max_price=Decimal("1.50"), on=dt.date(2030, 1, 31))),
        ("kinds=a&kinds=b", Search(kinds=["a", "b"])),
        ("sizes=1&sizes=2", Search(sizes=(1, 2))),
        ("text=null&max_price=null", Search(text="null")),
        ("near=%7B%22x%22%3A1%2C%22y%22%3A2%7D", Search(near=Spot(1, 2))),
        ("near=null", Search()),
    ],
)
def test_a_query_string_is_read_by_the_types_of_the_fields(query: str, found: Search) -> None:
    assert MessageReader(Search).from_query_string(QueryParams(query).multi_items(), {}) == found


@pytest.mark.parametrize(
    "query",
    ["max_price=much", "is_new=perhaps", "text=a&text=b", "colour=red", "sizes=1&sizes=x", "near=%7B", "near=1"],
)
def test_a_query_string_that_does_not_fit_is_an_invalid_message(query: str) -> None:
    with pytest.raises(InvalidMessage, match="search is not valid"):
        MessageReader(Search).from_query_string(QueryParams(query).multi_items(), {})


def test_only_what_text_cannot_say_is_json_in_a_query_string() -> None:
    class Hard(Query[int]):
        plain: int | str | None = None
        values: frozenset[int] | None = None
        pair: tuple[int, str] = (1, "")
        spots: list[Spot] = field(default_factory=list[Spot])
        nested: list[list[int]] = field(default_factory=list[list[int]])
        table: dict[str, int] = field(default_factory=dict[str, int])
        anything: Any = None

    assert MessageReader(Hard).json_fields == {"spots", "nested", "table", "anything"}
