"""Commands and queries: named, with routes, checked when the class is made."""

import types
from typing import Any

import pytest

from everfold import Command, Query
from everfold.domain.message import message_definition
from everfold.errors import DefinitionError


def make(base: type, **keywords: Any) -> Any:
    body = {"__annotations__": {"order_id": str}, "__module__": __name__}
    return types.new_class("ShipOrder", (base,), keywords, lambda namespace: namespace.update(body))


class PlaceOrder(Command[str], route="POST /orders"):
    items: list[str]


class GetOrder(Query[str], name="order", route="GET /orders/{order_id}"):
    order_id: str


def test_commands_and_queries_have_a_kind_a_name_and_a_route() -> None:
    command, query = message_definition(PlaceOrder), message_definition(GetOrder)
    assert command is not None
    assert query is not None
    assert (command.kind, command.name, command.route) == ("command", "place-order", "POST /orders")
    assert (query.kind, query.name, query.route) == ("query", "order", "GET /orders/{order_id}")


def test_a_subclass_inherits_fields_and_not_the_route() -> None:
    class PlaceGift(PlaceOrder):
        greeting: str = ""

    definition = message_definition(PlaceGift)
    assert definition is not None
    assert (definition.name, definition.route) == ("place-gift", None)
    assert PlaceGift(items=["book"]).greeting == ""


def test_other_classes_are_no_messages() -> None:
    assert message_definition(int) is None
    assert message_definition(Command) is None


@pytest.mark.parametrize("route", ["orders", "POST orders", "FETCH /orders", "POST /orders?x=1", "POST /a b", 1])
def test_a_route_is_a_method_and_a_path(route: object) -> None:
    with pytest.raises(DefinitionError, match=r"is no route. Write a method and a path"):
        make(Command, route=route)


def test_a_route_names_only_fields() -> None:
    make(Command, route="PUT /orders/{order_id}")
    with pytest.raises(DefinitionError, match="names id, which is no field of it"):
        make(Command, route="PUT /orders/{id}")


@pytest.mark.parametrize("base", [Command, Query])
def test_versions_belong_to_events(base: type) -> None:
    with pytest.raises(DefinitionError, match=r"class keyword version= does not exist here. There are: name=, route="):
        make(base, version=2)
