"""An order as an aggregate: what it goes through, and what is refused on the way."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from everfold import Aggregate, Command, Event, Events, Rejected, decide, evolve
from examples.orders.history import OrderTakenOver

Status = Literal["draft", "submitted", "confirmed", "shipped", "delivered", "cancelled"]
Id = Annotated[str, Meta(min_length=1, max_length=50)]
Pieces = Annotated[int, Meta(ge=1, le=100_000)]
MAX_ITEMS = 100
MAX_PRICE = 10**9


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """Some pieces of a product at the price that was agreed."""

    product_id: Id
    quantity: Pieces
    unit_price: Decimal

    def __post_init__(self) -> None:
        if not self.unit_price.is_finite() or not 0 <= self.unit_price < MAX_PRICE:
            raise ValueError("a price is a number, not negative, and below a thousand million")

    @property
    def amount(self) -> Decimal:
        return self.quantity * self.unit_price


# --- facts


class OrderCreated(Event):
    customer_id: str
    items: tuple[Item, ...]


class ItemAdded(Event):
    item: Item


class OrderSubmitted(Event):
    pass


class OrderConfirmed(Event):
    pass


class OrderShipped(Event):
    tracking_code: str


class OrderDelivered(Event):
    pass


class OrderCancelled(Event):
    reason: str


# --- what may be asked


class CreateOrder(Command):
    order_id: Id
    customer_id: Id
    items: Annotated[tuple[Item, ...], Meta(max_length=MAX_ITEMS)] = ()


class PlaceOrder(Command[Decimal]):
    """Creates and submits an order at once, and replies with the total. Handled by a function: see ``app``."""

    order_id: Id
    customer_id: Id
    items: Annotated[tuple[Item, ...], Meta(max_length=MAX_ITEMS)]


class AddItem(Command[Decimal]):
    """Replies with the total."""

    order_id: Id
    item: Item


class SubmitOrder(Command[Decimal]):
    """Replies with the total."""

    order_id: Id


class ConfirmOrder(Command):
    order_id: Id


class ShipOrder(Command):
    order_id: Id
    tracking_code: Annotated[str, Meta(max_length=50)] = ""


class DeliverOrder(Command):
    order_id: Id


class CancelOrder(Command):
    order_id: Id
    reason: Annotated[str, Meta(max_length=500)] = ""


class Order(Aggregate, key="order_id"):
    """An order goes forward one step at a time, and can be cancelled until it is shipped."""

    status: Status | None = None
    items: int = 0
    total: Decimal = Decimal(0)

    @decide
    def create(self, command: CreateOrder) -> Events:
        if self.status is not None:
            raise Rejected("order-exists", f"The order {command.order_id} exists already.")
        yield OrderCreated(customer_id=command.customer_id, items=command.items)

    @decide
    def add(self, command: AddItem) -> Events[Decimal]:
        self._check_status("draft")
        if self.items >= MAX_ITEMS:
            raise Rejected("order-full", f"An order has {MAX_ITEMS} items at most.", limit=MAX_ITEMS)
        yield ItemAdded(item=command.item)
        return self.total

    @decide
    def submit(self, command: SubmitOrder) -> Events[Decimal]:
        self._check_status("draft")
        if not self.items:
            raise Rejected("order-empty", "Add an item before you submit the order.")
        yield OrderSubmitted()
        return self.total

    @decide
    def confirm(self, command: ConfirmOrder) -> Events:
        self._check_status("submitted")
        yield OrderConfirmed()

    @decide
    def ship(self, command: ShipOrder) -> Events:
        self._check_status("confirmed")
        yield OrderShipped(tracking_code=command.tracking_code)

    @decide
    def deliver(self, command: DeliverOrder) -> Events:
        self._check_status("shipped")
        yield OrderDelivered()

    @decide
    def cancel(self, command: CancelOrder) -> Events:
        """Cancelling a cancelled order is fine: there is nothing to record."""
        if self.status == "cancelled":
            return
        self._check_status("draft", "submitted", "confirmed")
        yield OrderCancelled(reason=command.reason)

    @evolve
    def created(self, event: OrderCreated) -> None:
        self.status = "draft"
        for item in event.items:
            self._count(item)

    @evolve
    def added(self, event: ItemAdded) -> None:
        self._count(event.item)

    @evolve
    def submitted(self, event: OrderSubmitted) -> None:
        self.status = "submitted"

    @evolve
    def confirmed(self, event: OrderConfirmed) -> None:
        self.status = "confirmed"

    @evolve
    def shipped(self, event: OrderShipped) -> None:
        self.status = "shipped"

    @evolve
    def delivered(self, event: OrderDelivered) -> None:
        self.status = "delivered"

    @evolve
    def cancelled(self, event: OrderCancelled) -> None:
        self.status = "cancelled"

    @evolve
    def taken_over(self, event: OrderTakenOver) -> None:
        """What the old shop sold has long been delivered. More lines of the invoice may follow."""
        self.status = "delivered"
        self.items += len(event.lines)
        self.total += sum(line.amount for line in event.lines)

    def _count(self, item: Item) -> None:
        self.items += 1
        self.total += item.amount

    def _check_status(self, *allowed: Status) -> None:
        if self.status is None:
            raise Rejected("no-such-order", "There is no such order.")
        if self.status not in allowed:
            raise Rejected(
                "wrong-status",
                f"The order is {self.status}; it has to be {' or '.join(allowed)} for this.",
                status=self.status,
                allowed=list(allowed),
            )
