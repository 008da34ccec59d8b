"""The mapping of the old shop's lines, without its file: what an invoice becomes, whole or in parts."""

import datetime as dt
from decimal import Decimal

import pytest

from everfold.testing import projecting, scenario
from examples.orders.domain import Order
from examples.orders.history import (
    HISTORY,
    CancellationTakenOver,
    OrderTakenOver,
    Row,
    SoldLine,
    StockWrittenOff,
    invoice,
    moment,
)
from examples.orders.order_views import GetOrder, Orders
from examples.orders.sales_views import CustomerSales, GetSalesTotals, ProductSales, Sales


def old_line(number: str, quantity: str, price: str, **fields: str) -> Row:
    return {
        "InvoiceNo": number,
        "StockCode": "20950",
        "Description": "",
        "Quantity": quantity,
        "InvoiceDate": "2010-12-01 14:34:00",
        "UnitPrice": price,
        "CustomerID": "",
        "Country": "France",
        **fields,
    }


@pytest.mark.parametrize(
    ("lines", "stream", "event"),
    [
        ([old_line("536552", "1", "0.0")], "order-536552", "OrderTakenOver"),
        ([old_line("C536379", "-1", "27.5")], "cancellation-C536379", "CancellationTakenOver"),
        ([old_line("538072", "-13", "0.0")], "write_off-538072", "StockWrittenOff"),
        ([old_line("538073", "-13", "0.0"), old_line("538073", "1", "2.0")], "order-538073", "OrderTakenOver"),
    ],
)
def test_an_invoice_becomes_what_it_was(lines: list[Row], stream: str, event: str) -> None:
    [imported] = invoice(lines)
    assert (imported.stream, type(imported.events[0]).__name__) == (stream, event)


def test_equal_lines_are_all_kept() -> None:
    same = old_line("536552", "3", "2.10", CustomerID="13579.0", Description=" CUP ")
    [imported] = invoice([same, same])
    scenario(Order).given(*imported.events).state(items=2, total=Decimal("12.60"))


def test_the_command_line_can_import_it_as_well() -> None:
    assert (HISTORY.name, HISTORY.group_by, HISTORY.mapping) == ("old-shop", "InvoiceNo", invoice)


NOON = dt.datetime(2010, 12, 5, 12, tzinfo=dt.UTC)
CUP = SoldLine(product_id="cup", quantity=2, unit_price=Decimal("2.10"), description="CUP")
POT = SoldLine(product_id="pot", quantity=1, unit_price=Decimal(9), description="POT")


def sold(*lines: SoldLine, at: dt.datetime = NOON) -> OrderTakenOver:
    return OrderTakenOver(customer_id="13579", country="France", invoiced_at=at, lines=lines)


def test_more_lines_of_an_invoice_are_no_other_invoice() -> None:
    """As when the lines of an invoice do not follow one another in the file."""
    orders = projecting(Orders).given("order-1", sold(CUP), sold(POT))
    shown = orders.asked(GetOrder(order_id="1"))
    assert [item.product_name for item in shown.items] == ["CUP", "POT"]
    assert (shown.order.items, shown.order.total) == (2, Decimal("13.20"))
    scenario(Order).given(sold(CUP), sold(POT)).state(items=2, total=Decimal("13.20"))

    back = CancellationTakenOver(
        customer_id=None,
        country="France",
        invoiced_at=NOON,
        lines=(SoldLine(product_id="cup", quantity=-1, unit_price=Decimal("2.10")),),
    )
    sales = projecting(Sales).given("order-1", sold(CUP), sold(POT)).given("cancellation-C2", back, back)
    totals = sales.asked(GetSalesTotals())
    assert (totals.invoices, totals.orders, totals.cancellations, totals.cancelled_lines) == (2, 1, 1, 2)
    assert (totals.quantity, totals.guest_lines, totals.net) == (1, 2, Decimal(9))


def test_what_is_written_off_costs_nothing_and_does_not_rename_a_product() -> None:
    remark = SoldLine(product_id="cup", quantity=-5, unit_price=Decimal(0), description="damaged")
    lost = StockWrittenOff(country="France", invoiced_at=NOON, lines=(remark,))
    sales = projecting(Sales).given("order-1", sold(CUP)).given("write_off-2", lost)
    sales.then_row(ProductSales, "cup", description="CUP", lines=2, quantity=-3, net=Decimal("4.20"))
    assert sales.asked(GetSalesTotals()).orders == 2


def test_the_first_and_the_last_day_of_a_customer() -> None:
    sales = projecting(Sales)
    for number, days in enumerate((0, 3, -2, 1)):
        sales.given(f"order-{number}", sold(CUP, at=NOON + dt.timedelta(days=days)))
    sales.then_row(
        CustomerSales, "13579", first_day=dt.date(2010, 12, 3), last_day=dt.date(2010, 12, 8), orders=4, quantity=8
    )


def test_times_of_the_file_are_taken_as_utc() -> None:
    assert moment("2010-12-05 12:00:00") == NOON
