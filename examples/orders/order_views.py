"""Orders as they are shown: a row for lists, and all items for the detail, both with names.

The names are copied into the rows, so that a list is one look at one table; a renaming goes through all of them.
"""

import datetime as dt
from decimal import Decimal

import msgspec
import sqlalchemy as sa

from everfold import Page, Projection, Query, ReadModel, Record, Table, answer, project
from examples.orders.domain import (
    Item,
    ItemAdded,
    OrderCancelled,
    OrderConfirmed,
    OrderCreated,
    OrderDelivered,
    OrderShipped,
    OrderSubmitted,
    Status,
)
from examples.orders.history import OrderTakenOver, SoldLine
from examples.orders.names import CustomerRegistered, CustomerRenamed, ProductAdded, ProductRenamed
from examples.orders.paging import Limit, Offset

GUEST = "guest"


class OrderRow(ReadModel, key="order_id", indexes=[("customer_id", "ordered_at"), "ordered_at"]):
    order_id: str
    customer_id: str | None
    customer_name: str
    status: Status
    ordered_at: dt.datetime
    items: int = 0
    total: Decimal = Decimal(0)
    tracking_code: str | None = None
    cancelled_because: str | None = None


class OrderItem(ReadModel, key=("order_id", "number"), indexes=["product_id"]):
    order_id: str
    number: int
    product_id: str
    product_name: str
    quantity: int
    unit_price: Decimal


class CustomerName(ReadModel, key="customer_id"):
    customer_id: str
    name: str


class ProductName(ReadModel, key="product_id"):
    product_id: str
    name: str


class OrderDetail(msgspec.Struct, frozen=True):
    """An order with its items."""

    order: OrderRow
    items: list[OrderItem]


class GetOrder(Query[OrderDetail]):
    order_id: str


class GetOrdersByCustomer(Query[Page[OrderRow]]):
    """The newest first."""

    customer_id: str
    status: Status | None = None
    limit: Limit = 20
    offset: Offset = 0


class SearchOrders(Query[list[OrderRow]]):
    """Orders whose number, customer or products contain the text, ordered within these days; the newest first."""

    text: str = ""
    date_from: dt.date | None = None
    date_to: dt.date | None = None
    limit: Limit = 20


class Orders(Projection):
    orders: Table[OrderRow]
    items: Table[OrderItem]
    customers: Table[CustomerName]
    products: Table[ProductName]

    # --- orders

    @project
    def created(self, event: OrderCreated, record: Record) -> None:
        row = OrderRow(record.key, event.customer_id, self._customer(event.customer_id), "draft", record.time)
        self.orders.put(row)
        for item in event.items:
            self._add(row, item)

    @project
    def added(self, event: ItemAdded, record: Record) -> None:
        self._add(self.orders[record.key], event.item)

    @project
    def submitted(self, event: OrderSubmitted, record: Record) -> None:
        self.orders[record.key].status = "submitted"

    @project
    def confirmed(self, event: OrderConfirmed, record: Record) -> None:
        self.orders[record.key].status = "confirmed"

    @project
    def shipped(self, event: OrderShipped, record: Record) -> None:
        row = self.orders[record.key]
        row.status, row.tracking_code = "shipped", event.tracking_code

    @project
    def delivered(self, event: OrderDelivered, record: Record) -> None:
        self.orders[record.key].status = "delivered"

    @project
    def cancelled(self, event: OrderCancelled, record: Record) -> None:
        row = self.orders[record.key]
        row.status, row.cancelled_because = "cancelled", event.reason

    @project
    def taken_over(self, event: OrderTakenOver, record: Record) -> None:
        row = self.orders.get(record.key)
        if row is None:  # else these are more lines of the same invoice
            name = self._customer(event.customer_id) if event.customer_id else GUEST
            row = OrderRow(record.key, event.customer_id, name, "delivered", event.invoiced_at)
            self.orders.put(row)
        for line in event.lines:
            self._add(row, line, line.description)

    def _add(self, row: OrderRow, item: Item | SoldLine, description: str | None = None) -> None:
        row.items += 1
        row.total += item.amount
        product = self.products.get(item.product_id)
        name = product.name if product else description or item.product_id
        self.items.put(OrderItem(row.order_id, row.items, item.product_id, name, item.quantity, item.unit_price))

    def _customer(self, customer_id: str) -> str:
        customer = self.customers.get(customer_id)
        return customer.name if customer else customer_id

    # --- names

    @project
    def customer_named(self, event: CustomerRegistered | CustomerRenamed, record: Record) -> None:
        self.customers.put(CustomerName(record.key, event.name))
        of_this_customer = self.orders.columns.customer_id == record.key
        self.connection.execute(sa.update(self.orders.sql).where(of_this_customer).values(customer_name=event.name))

    @project
    def product_named(self, event: ProductAdded | ProductRenamed, record: Record) -> None:
        self.products.put(ProductName(record.key, event.name))
        of_this_product = self.items.columns.product_id == record.key
        self.connection.execute(sa.update(self.items.sql).where(of_this_product).values(product_name=event.name))

    # --- answers

    @answer
    def one(self, query: GetOrder) -> OrderDetail:
        return OrderDetail(self.orders[query.order_id], self.items.find(order_id=query.order_id))

    @answer
    def of_customer(self, query: GetOrdersByCustomer) -> Page[OrderRow]:
        orders = self.orders.columns
        wanted = [orders.customer_id == query.customer_id]
        if query.status:
            wanted.append(orders.status == query.status)
        return self.orders.page(*wanted, order_by="-ordered_at", limit=query.limit, offset=query.offset)

    @answer
    def found(self, query: SearchOrders) -> list[OrderRow]:
        orders, items = self.orders.columns, self.items.columns
        wanted: list[sa.ColumnElement[bool]] = []
        if query.text:
            with_product = sa.select(items.order_id).where(items.product_name.icontains(query.text, autoescape=True))
            wanted.append(
                orders.order_id.icontains(query.text, autoescape=True)
                | orders.customer_name.icontains(query.text, autoescape=True)
                | orders.order_id.in_(with_product)
            )
        if query.date_from:
            wanted.append(orders.ordered_at >= midnight(query.date_from))
        if query.date_to:
            wanted.append(orders.ordered_at < midnight(query.date_to + dt.timedelta(days=1)))
        return self.orders.find(*wanted, order_by="-ordered_at", limit=query.limit)


def midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)
