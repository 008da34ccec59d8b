"""What the old shop sold: per country, customer, product and day, from the history that was taken over."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from everfold import Page, Projection, Query, ReadModel, Record, Table, answer, project
from examples.orders.history import CancellationTakenOver, OrderTakenOver, SoldLine, StockWrittenOff
from examples.orders.paging import Limit, Offset

Invoice = OrderTakenOver | CancellationTakenOver | StockWrittenOff
Row = TypeVar("Row", bound=ReadModel)


class CountrySales(ReadModel, key="country"):
    country: str
    orders: int = 0
    """Invoices that are no cancellations; the write-offs are among them, as the old shop counted them."""
    cancellations: int = 0
    write_offs: int = 0
    cancelled_lines: int = 0
    guest_lines: int = 0
    quantity: int = 0
    ordered: Decimal = Decimal(0)
    cancelled: Decimal = Decimal(0)
    net: Decimal = Decimal(0)


class CustomerSales(ReadModel, key="customer_id", indexes=["net"]):
    customer_id: str
    country: str
    first_day: dt.date
    last_day: dt.date
    orders: int = 0
    cancellations: int = 0
    quantity: int = 0
    net: Decimal = Decimal(0)


class ProductSales(ReadModel, key="product_id", indexes=["net"]):
    product_id: str
    description: str = ""
    lines: int = 0
    quantity: int = 0
    net: Decimal = Decimal(0)


class DaySales(ReadModel, key="day"):
    day: dt.date
    orders: int = 0
    cancellations: int = 0
    quantity: int = 0
    net: Decimal = Decimal(0)


class SalesTotals(msgspec.Struct, frozen=True, kw_only=True):
    invoices: int
    orders: int
    cancellations: int
    cancelled_lines: int
    customers: int
    guest_lines: int
    products: int
    quantity: int
    ordered: Decimal
    cancelled: Decimal
    net: Decimal


class GetSalesTotals(Query[SalesTotals]):
    pass


class GetSalesByCustomer(Query[Page[CustomerSales]]):
    """The best customers first."""

    limit: Limit = 20
    offset: Offset = 0


class GetSalesByProduct(Query[Page[ProductSales]]):
    """What brought most first."""

    limit: Limit = 20
    offset: Offset = 0


class GetSalesByDay(Query[Page[DaySales]]):
    date_from: dt.date | None = None
    date_to: dt.date | None = None
    limit: Limit = 31
    offset: Offset = 0


class Sales(Projection):
    countries: Table[CountrySales]
    customers: Table[CustomerSales]
    products: Table[ProductSales]
    days: Table[DaySales]

    @project
    def ordered(self, event: OrderTakenOver, record: Record) -> None:
        self._country(event).ordered += amount(event.lines)
        self._count(event, event.customer_id, orders=self._is_new(record))

    @project
    def cancelled(self, event: CancellationTakenOver, record: Record) -> None:
        country = self._country(event)
        country.cancelled += amount(event.lines)
        country.cancelled_lines += len(event.lines)
        self._count(event, event.customer_id, cancellations=self._is_new(record))

    @project
    def written_off(self, event: StockWrittenOff, record: Record) -> None:
        self._country(event).write_offs += self._is_new(record)
        self._count(event, None, orders=self._is_new(record))

    def _is_new(self, record: Record) -> bool:
        """The first record of a stream is an invoice; any further one has more lines of it."""
        return record.version == 1

    def _count(self, event: Invoice, customer_id: str | None, *, orders: int = 0, cancellations: int = 0) -> None:
        country, day = self._country(event), self._day(event)
        counted: list[CountrySales | CustomerSales | DaySales] = [country, day]
        if customer_id is None:
            country.guest_lines += len(event.lines)
        else:
            counted.append(self._customer(customer_id, event))
        for row in counted:
            row.orders += orders
            row.cancellations += cancellations
            row.quantity += sum(line.quantity for line in event.lines)
            row.net += amount(event.lines)
        for line in event.lines:
            self._count_product(line)

    def _count_product(self, line: SoldLine) -> None:
        product = kept(self.products, line.product_id, ProductSales(line.product_id))
        if line.description and line.unit_price:  # without a price it is a remark, such as "damaged"
            product.description = line.description
        product.lines += 1
        product.quantity += line.quantity
        product.net += line.amount

    def _country(self, event: Invoice) -> CountrySales:
        return kept(self.countries, event.country, CountrySales(event.country))

    def _customer(self, customer_id: str, event: Invoice) -> CustomerSales:
        day = event.invoiced_at.date()
        new = CustomerSales(customer_id, event.country, first_day=day, last_day=day)
        customer = kept(self.customers, customer_id, new)
        customer.first_day, customer.last_day = min(day, customer.first_day), max(day, customer.last_day)
        return customer

    def _day(self, event: Invoice) -> DaySales:
        day = event.invoiced_at.date()
        return kept(self.days, day, DaySales(day))

    @answer
    def totals(self, query: GetSalesTotals) -> SalesTotals:
        countries = self.countries.find()
        orders, cancellations = sum(row.orders for row in countries), sum(row.cancellations for row in countries)
        return SalesTotals(
            invoices=orders + cancellations,
            orders=orders,
            cancellations=cancellations,
            cancelled_lines=sum(row.cancelled_lines for row in countries),
            customers=self.customers.count(),
            guest_lines=sum(row.guest_lines for row in countries),
            products=self.products.count(),
            quantity=sum(row.quantity for row in countries),
            ordered=sum([row.ordered for row in countries], Decimal(0)),
            cancelled=sum([row.cancelled for row in countries], Decimal(0)),
            net=sum([row.net for row in countries], Decimal(0)),
        )

    @answer
    def by_customer(self, query: GetSalesByCustomer) -> Page[CustomerSales]:
        return self.customers.page(order_by="-net", limit=query.limit, offset=query.offset)

    @answer
    def by_product(self, query: GetSalesByProduct) -> Page[ProductSales]:
        return self.products.page(order_by="-net", limit=query.limit, offset=query.offset)

    @answer
    def by_day(self, query: GetSalesByDay) -> Page[DaySales]:
        day = self.days.columns.day
        wanted = [day >= query.date_from] if query.date_from else []
        if query.date_to:
            wanted.append(day <= query.date_to)
        return self.days.page(*wanted, limit=query.limit, offset=query.offset)


def kept(table: Table[Row], key: object, new: Row) -> Row:
    """The row with this key; when there is none, the new one, which is put into the table."""
    row = table.get(key)
    if row is None:
        table.put(new)
        return new
    return row


def amount(lines: Sequence[SoldLine]) -> Decimal:
    return sum([line.amount for line in lines], Decimal(0))
