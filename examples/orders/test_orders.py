"""The rules of an order, as scenarios: every step forward, every step that is refused, every reason."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from everfold import Command
from everfold.errors import InvalidMessage
from everfold.testing import scenario
from examples.orders.domain import (
    MAX_ITEMS,
    AddItem,
    CancelOrder,
    ConfirmOrder,
    CreateOrder,
    DeliverOrder,
    Item,
    ItemAdded,
    Order,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderDelivered,
    OrderShipped,
    OrderSubmitted,
    ShipOrder,
    SubmitOrder,
)
from examples.orders.history import OrderTakenOver, SoldLine
from examples.orders.names import Customer, CustomerRegistered, CustomerRenamed, RegisterCustomer, RenameCustomer

TEA = Item(product_id="tea", quantity=2, unit_price=Decimal("3.95"))
CUP = Item(product_id="cup", quantity=1, unit_price=Decimal("6.50"))
CREATED = OrderCreated(customer_id="ann", items=(TEA,))
STEPS: dict[str, list[object]] = {
    "draft": [CREATED],
    "submitted": [CREATED, OrderSubmitted()],
    "confirmed": [CREATED, OrderSubmitted(), OrderConfirmed()],
    "shipped": [CREATED, OrderSubmitted(), OrderConfirmed(), OrderShipped(tracking_code="t1")],
    "delivered": [CREATED, OrderSubmitted(), OrderConfirmed(), OrderShipped(tracking_code="t1"), OrderDelivered()],
    "cancelled": [CREATED, OrderCancelled(reason="changed my mind")],
}
COMMANDS: list[tuple[Command[object], set[str], object]] = [
    (AddItem(order_id="o1", item=CUP), {"draft"}, ItemAdded(item=CUP)),
    (SubmitOrder(order_id="o1"), {"draft"}, OrderSubmitted()),
    (ConfirmOrder(order_id="o1"), {"submitted"}, OrderConfirmed()),
    (ShipOrder(order_id="o1", tracking_code="t1"), {"confirmed"}, OrderShipped(tracking_code="t1")),
    (DeliverOrder(order_id="o1"), {"shipped"}, OrderDelivered()),
    (CancelOrder(order_id="o1", reason="late"), {"draft", "submitted", "confirmed"}, OrderCancelled(reason="late")),
]


@pytest.mark.parametrize("status", STEPS)
@pytest.mark.parametrize(("command", "allowed", "event"), COMMANDS, ids=lambda value: type(value).__name__)
def test_every_step_goes_from_its_own_status_only(
    status: str, command: Command[object], allowed: set[str], event: object
) -> None:
    asked = scenario(Order).given(*STEPS[status]).when(command)
    if status in allowed:
        asked.then(event)
    elif status == "cancelled" and isinstance(command, CancelOrder):
        asked.nothing()
    else:
        asked.rejected("wrong-status", status=status)


@pytest.mark.parametrize("command", [command for command, _, _ in COMMANDS], ids=lambda command: type(command).__name__)
def test_nothing_can_be_done_with_an_order_that_does_not_exist(command: Command[object]) -> None:
    scenario(Order).when(command).rejected("no-such-order")


def test_an_order_is_created_once() -> None:
    create = CreateOrder(order_id="o1", customer_id="ann", items=(TEA,))
    scenario(Order).when(create).then(CREATED).state(status="draft", items=1, total=Decimal("7.90"))
    scenario(Order).given(CREATED).when(create).rejected("order-exists")


def test_the_total_is_exact() -> None:
    added = scenario(Order).given(CREATED).when(AddItem(order_id="o1", item=CUP)).then(ItemAdded(item=CUP))
    added.replied(Decimal("14.40")).when(SubmitOrder(order_id="o1")).then(OrderSubmitted()).replied(Decimal("14.40"))


def test_an_empty_order_cannot_be_submitted() -> None:
    empty = OrderCreated(customer_id="ann", items=())
    scenario(Order).given(empty).when(SubmitOrder(order_id="o1")).rejected("order-empty")


def test_an_order_has_an_end() -> None:
    full = OrderCreated(customer_id="ann", items=(TEA,) * MAX_ITEMS)
    scenario(Order).given(full).when(AddItem(order_id="o1", item=CUP)).rejected("order-full", limit=MAX_ITEMS)
    with pytest.raises(InvalidMessage, match="items"):
        scenario(Order).when(CreateOrder(order_id="o1", customer_id="ann", items=(TEA,) * (MAX_ITEMS + 1)))


def test_prices_and_quantities_make_sense() -> None:
    for price in ("-0.01", "NaN", "Infinity", "1E+999999"):
        with pytest.raises(ValueError, match="not negative"):
            Item(product_id="tea", quantity=1, unit_price=Decimal(price))
    with pytest.raises(InvalidMessage, match="quantity"):
        none = Item(product_id="tea", quantity=0, unit_price=Decimal(1))
        scenario(Order).when(AddItem(order_id="o1", item=none))


def test_an_order_of_the_old_shop_is_delivered() -> None:
    line = SoldLine(product_id="22835", quantity=4, unit_price=Decimal("4.65"), description="HOT WATER BOTTLE")
    old = OrderTakenOver(
        customer_id="13579", country="France", invoiced_at=datetime(2010, 12, 5, tzinfo=UTC), lines=(line, line)
    )
    order = scenario(Order).given(old).state(status="delivered", items=2, total=Decimal("37.20"))
    order.when(CancelOrder(order_id="537223")).rejected("wrong-status", status="delivered")


def test_a_customer_is_renamed_when_the_name_is_another() -> None:
    registered = CustomerRegistered(name="Ann")
    scenario(Customer).when(RegisterCustomer(customer_id="ann", name="Ann")).then(registered)
    renamed = scenario(Customer).given(registered).when(RenameCustomer(customer_id="ann", name="Anna"))
    renamed.then(CustomerRenamed(name="Anna"))
    scenario(Customer).given(registered).when(RenameCustomer(customer_id="ann", name="Ann")).nothing()
    scenario(Customer).when(RenameCustomer(customer_id="ann", name="Ann")).rejected("no-such-customer")
