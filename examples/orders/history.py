"""The old shop's invoices as events: what its file says, and how each invoice is mapped.

A number that begins with C is a cancellation; it does not name the order it cancels. Lines without a price whose
quantity is negative are stock that was written off. Customer and description may be missing, and equal lines are real.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal

import msgspec

from everfold import Event
from everfold.migration.csv_source import CsvSource
from everfold.migration.mapping import Import, Imported

Row = dict[str, str]
COLUMNS = ("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country")


class SoldLine(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A line of an old invoice, as it was printed."""

    product_id: str
    quantity: int
    unit_price: Decimal
    description: str | None = None

    @property
    def amount(self) -> Decimal:
        return self.quantity * self.unit_price


class OrderTakenOver(Event):
    """An order that the old shop invoiced."""

    customer_id: str | None
    """None: a guest."""
    country: str
    invoiced_at: dt.datetime
    lines: tuple[SoldLine, ...]


class CancellationTakenOver(Event):
    """Goods that came back, or money that was paid back. Quantities are negative."""

    customer_id: str | None
    country: str
    invoiced_at: dt.datetime
    lines: tuple[SoldLine, ...]


class StockWrittenOff(Event):
    """Lost, broken or miscounted goods, which the old shop noted as orders of nobody. Quantities are negative."""

    country: str
    invoiced_at: dt.datetime
    lines: tuple[SoldLine, ...]


def invoice(rows: Sequence[Row]) -> Iterator[Imported]:
    """The lines of one invoice: one event, in a stream of its own."""
    number, country, time = rows[0]["InvoiceNo"], rows[0]["Country"], moment(rows[0]["InvoiceDate"])
    customer = rows[0]["CustomerID"].removesuffix(".0") or None
    lines = tuple([line(row) for row in rows])
    if number.startswith("C"):
        cancellation = CancellationTakenOver(customer_id=customer, country=country, invoiced_at=time, lines=lines)
        yield Imported(f"cancellation-{number}", cancellation)
    elif all(each.quantity < 0 and not each.unit_price for each in lines):
        yield Imported(f"write_off-{number}", StockWrittenOff(country=country, invoiced_at=time, lines=lines))
    else:
        order = OrderTakenOver(customer_id=customer, country=country, invoiced_at=time, lines=lines)
        yield Imported(f"order-{number}", order)


def line(row: Row) -> SoldLine:
    return SoldLine(
        product_id=row["StockCode"],
        quantity=int(row["Quantity"]),
        unit_price=Decimal(row["UnitPrice"]),
        description=row["Description"].strip() or None,
    )


def moment(text: str) -> dt.datetime:
    """``2010-12-01 14:34:00``. The old shop noted no time zone; its times are taken as UTC."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


HISTORY = Import("old-shop", CsvSource("online_retail.csv"), invoice, group_by="InvoiceNo")
"""Also for the command line: ``everfold import examples.orders.history:HISTORY FILE``."""
