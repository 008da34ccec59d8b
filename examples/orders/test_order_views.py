"""The read models through the application: what is shown after each step, then and later, by name, page and text."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from everfold import App, Command, Done, NotFound, Rejected
from everfold.errors import InvalidMessage
from everfold.testing import FrozenClock
from examples.orders.domain import (
    AddItem,
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    DeliverOrder,
    Item,
    ShipOrder,
    SubmitOrder,
)
from examples.orders.names import RegisterCustomer, RenameCustomer, RenameProduct
from examples.orders.order_views import GetOrder, GetOrdersByCustomer, SearchOrders

TEA = Item(product_id="tea", quantity=2, unit_price=Decimal("3.95"))
CUP = Item(product_id="cup", quantity=1, unit_price=Decimal("6.50"))


def create(order_id: str, *items: Item, customer_id: str = "ann") -> CreateOrder:
    return CreateOrder(order_id=order_id, customer_id=customer_id, items=items)


@pytest.mark.usefixtures("as_staff")
async def test_what_was_done_is_shown_at_once(shop: App, clock: FrozenClock) -> None:
    await shop.execute(create("o1", TEA))
    done = await shop.execute(AddItem(order_id="o1", item=CUP))
    assert done.reply == Decimal("14.40")
    shown = await shop.ask(GetOrder(order_id="o1"), after=done)
    assert (shown.order.status, shown.order.items, shown.order.total) == ("draft", 2, Decimal("14.40"))
    assert (shown.order.customer_name, shown.order.ordered_at) == ("Ann", clock.now)
    assert [(item.product_name, item.quantity, item.unit_price) for item in shown.items] == [
        ("Green tea", 2, Decimal("3.95")),
        ("Cup", 1, Decimal("6.5")),
    ]


@pytest.mark.usefixtures("as_staff")
async def test_every_status_is_shown_and_every_past_one_can_be_looked_at(shop: App, clock: FrozenClock) -> None:
    seen: list[tuple[Done[Any], datetime]] = [(await shop.execute(create("o1", TEA)), clock.now)]
    for step in (SubmitOrder, ConfirmOrder, ShipOrder, DeliverOrder):
        clock.advance(timedelta(hours=1))
        command: Command[Any] = step(order_id="o1")
        seen.append((await shop.execute(command), clock.now))
    statuses = ["draft", "submitted", "confirmed", "shipped", "delivered"]
    assert (await shop.ask(GetOrder(order_id="o1"), after=seen[-1][0])).order.status == "delivered"
    for (done, moment), status in zip(seen, statuses, strict=True):
        assert (await shop.ask(GetOrder(order_id="o1"), as_of=done.position)).order.status == status
        assert (await shop.ask(GetOrder(order_id="o1"), as_of=moment)).order.status == status
    with pytest.raises(NotFound):
        await shop.ask(GetOrder(order_id="o1"), as_of=seen[0][1] - timedelta(hours=1))


@pytest.mark.usefixtures("as_staff")
async def test_a_step_that_is_refused_changes_nothing(shop: App) -> None:
    await shop.execute(create("o1", TEA))
    with pytest.raises(Rejected) as refusal:
        await shop.execute(ShipOrder(order_id="o1"))
    assert (refusal.value.reason, refusal.value.facts) == (
        "wrong-status",
        {"status": "draft", "allowed": ["confirmed"]},
    )
    done = await shop.execute(CancelOrder(order_id="o1", reason="too late"))
    order = (await shop.ask(GetOrder(order_id="o1"), after=done)).order
    assert (order.status, order.cancelled_because) == ("cancelled", "too late")


@pytest.mark.usefixtures("as_staff")
async def test_a_new_name_reaches_every_row(shop: App) -> None:
    for number in range(3):
        await shop.execute(create(f"o{number}", TEA, CUP))
    await shop.execute(create("o3", TEA, customer_id="bob"))
    await shop.execute(RenameCustomer(customer_id="ann", name="Anna"))
    await shop.execute(RenameProduct(product_id="tea", name="Black tea"))
    done = await shop.execute(create("o4", TEA))
    page = await shop.ask(GetOrdersByCustomer(customer_id="ann"), after=done)
    assert {(row.order_id, row.customer_name) for row in page.items} == {
        (order_id, "Anna") for order_id in ("o0", "o1", "o2", "o4")
    }
    for order_id in ("o0", "o3", "o4"):
        items = (await shop.ask(GetOrder(order_id=order_id))).items
        assert [item.product_name for item in items] == ["Black tea", "Cup"][: len(items)]
    # who registers later is known by the number until then
    assert (await shop.ask(GetOrder(order_id="o3"))).order.customer_name == "bob"
    done = await shop.execute(RegisterCustomer(customer_id="bob", name="Bob"))
    assert (await shop.ask(GetOrder(order_id="o3"), after=done)).order.customer_name == "Bob"
    assert (await shop.projections.compare("orders")).is_same


@pytest.mark.usefixtures("as_staff")
async def test_orders_of_a_customer_come_in_pages(shop: App, clock: FrozenClock) -> None:
    for number in range(5):
        clock.advance(60)
        await shop.execute(create(f"o{number}", TEA))
    await shop.execute(create("b0", TEA, customer_id="bob"))
    done = await shop.execute(SubmitOrder(order_id="o1"))
    first = await shop.ask(GetOrdersByCustomer(customer_id="ann", limit=3), after=done)
    assert ([row.order_id for row in first.items], first.total) == (["o4", "o3", "o2"], 5)
    assert first.next_offset == 3
    second = await shop.ask(GetOrdersByCustomer(customer_id="ann", limit=3, offset=first.next_offset))
    assert ([row.order_id for row in second.items], second.next_offset) == (["o1", "o0"], None)
    submitted = await shop.ask(GetOrdersByCustomer(customer_id="ann", status="submitted"))
    assert [row.order_id for row in submitted.items] == ["o1"]
    with pytest.raises(InvalidMessage, match="limit"):
        await shop.ask(GetOrdersByCustomer(customer_id="ann", limit=0))


@pytest.mark.usefixtures("as_staff")
async def test_orders_are_found_by_text_and_day(shop: App, clock: FrozenClock) -> None:
    first_day = clock.now.date()
    clock.advance(timedelta(hours=15))
    await shop.execute(create("o1", TEA))
    clock.advance(timedelta(days=1))
    await shop.execute(create("o2", CUP))
    clock.advance(timedelta(days=1))
    done = await shop.execute(create("sale+", CUP, customer_id="bob"))

    async def found(query: SearchOrders) -> list[str]:
        return [row.order_id for row in await shop.ask(query, after=done)]

    assert await found(SearchOrders()) == ["sale+", "o2", "o1"]
    assert await found(SearchOrders(text="green")) == ["o1"]
    assert await found(SearchOrders(text="ANN")) == ["o2", "o1"]
    assert await found(SearchOrders(text="sale+")) == ["sale+"]
    assert await found(SearchOrders(text="%")) == []  # no wildcard
    second_day = first_day + timedelta(days=1)
    assert await found(SearchOrders(date_from=second_day)) == ["sale+", "o2"]
    assert await found(SearchOrders(date_from=first_day, date_to=second_day)) == ["o2", "o1"]
    assert await found(SearchOrders(text="cup", date_to=second_day, limit=1)) == ["o2"]


@pytest.mark.usefixtures("as_staff")
async def test_what_is_watched_comes_again_when_it_changes(shop: App) -> None:
    done = await shop.execute(create("o1", TEA))
    views = shop.watch(GetOrder(order_id="o1"), after=done)
    assert (await anext(views)).order.status == "draft"
    await shop.execute(SubmitOrder(order_id="o1"))
    assert (await anext(views)).order.status == "submitted"
    await views.aclose()
