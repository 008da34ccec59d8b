"""Validation: messages whose fields do not fit their types are refused before anything is loaded."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Any

import pytest
from msgspec import Meta

from everfold import App, Command, Query
from everfold.errors import InvalidMessage


class Order(Command):
    item: str
    count: Annotated[int, Meta(ge=1)] = 1
    price: float = 1.0
    tip: float | None = None
    at: datetime | None = None
    on: date | None = None
    extras: Any = None


class Find(Query[str]):
    item: str


def shop() -> App:
    app = App("shop", store="memory:")

    @app.handles(Order)
    def order(command: Order) -> None: ...

    @app.answers(Find)
    def find(query: Find) -> str:
        return query.item

    return app


TEA: dict[str, Any] = {"item": "tea"}
NAN, INFINITY = float("nan"), float("inf")
NAIVE = datetime(2024, 1, 1)  # noqa: DTZ001 (that is the point)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"item": None}, r"Expected `str`, got `null` - at `\$.item`"),
        ({"item": 5}, r"Expected `str`, got `int` - at `\$.item`"),
        ({"count": 0}, r"Expected `int` >= 1 - at `\$.count`"),
        ({"count": "2"}, r"`\$.count`"),
        ({"count": True}, r"`\$.count`"),
        ({"item": "\ud800"}, "surrogates"),
        ({"price": NAN}, r"`\$.price`"),
        ({"price": INFINITY}, r"`\$.price`"),
        ({"tip": NAN}, "nan is not a number"),
        ({"at": NAIVE}, "has no time zone"),
        ({"extras": {"deep": [NAN]}}, "nan is not a number"),
        ({"extras": object()}, "object"),
        ({"on": "yesterday"}, r"`\$.on`"),
    ],
)
async def test_a_wrong_field_is_named(fields: dict[str, Any], problem: str) -> None:
    async with shop() as app:
        with pytest.raises(InvalidMessage, match=problem) as error:
            await app.execute(Order(**(TEA | fields)))
        assert error.value.message_name == "order"


async def test_a_missing_or_unknown_field_is_named_when_the_message_is_made() -> None:
    wrong: Any = Order
    with pytest.raises(TypeError, match="item"):
        wrong(count=1)
    with pytest.raises(TypeError, match="size"):
        wrong(item="tea", size=1)


async def test_a_good_message_goes_on_as_it_was_given() -> None:
    async with shop() as app:
        extras = {"sugar": [1, 2.5, True, None, "x"]}
        await app.execute(Order(item="tea", at=datetime(2024, 1, 1, tzinfo=UTC), on=date(2024, 1, 1), extras=extras))
        await app.execute(Order(item="tea"))
        assert await app.ask(Find(item="tea")) == "tea"


async def test_queries_are_checked_as_well() -> None:
    wrong: Any = 5
    async with shop() as app:
        with pytest.raises(InvalidMessage, match="find is not valid"):
            await app.ask(Find(item=wrong))
