"""Real input: 5,000 lines of an old shop's invoices give the figures that the shop itself had."""

import csv
from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path

import pytest

from everfold import App, metadata
from examples.orders.app import orders_app
from examples.orders.domain import CreateOrder, Item, Order
from examples.orders.history import Row
from examples.orders.import_retail import main, take_over
from examples.orders.names import AddProduct
from examples.orders.order_views import GUEST, GetOrder, GetOrdersByCustomer, SearchOrders
from examples.orders.sales_views import (
    GetSalesByCustomer,
    GetSalesByDay,
    GetSalesByProduct,
    GetSalesTotals,
    ProductSales,
    SalesTotals,
)

FILE = Path(__file__).parents[3] / "shared" / "data" / "online_retail_sample_5000.csv"
needs_file = pytest.mark.skipif(not FILE.exists(), reason="the shop's file lies beside the repository, in CI only")
FIGURES = SalesTotals(
    invoices=249,
    orders=228,
    cancellations=21,
    cancelled_lines=30,
    customers=34,
    guest_lines=1_250,
    products=1_678,
    quantity=23_681,
    ordered=Decimal("56988.80"),
    cancelled=Decimal("-316.46"),
    net=Decimal("56672.34"),
)


@pytest.fixture
def shop(tmp_path: Path) -> App:
    """The application with a store of its own."""
    return orders_app(str(tmp_path / "orders.db"))


@pytest.fixture
def rows() -> list[Row]:
    """The lines of the file."""
    with FILE.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def net_by(rows: Iterable[Row], column: str) -> dict[str, Decimal]:
    """What the lines come to, by the value of a column; computed from the file, to compare with."""
    sums: dict[str, Decimal] = {}
    for row in rows:
        value = row[column]
        sums[value] = sums.get(value, Decimal(0)) + int(row["Quantity"]) * Decimal(row["UnitPrice"])
    return sums


@needs_file
async def test_the_read_models_have_the_figures_of_the_shop(shop: App) -> None:
    async with shop as app:
        report = await take_over(app, FILE)
        assert (report.rows, report.events, report.rejected) == (5_000, 249, 0)
        assert report.events_by_type == {
            "order-taken-over": 198,
            "stock-written-off": 30,
            "cancellation-taken-over": 21,
        }
        assert await app.ask(GetSalesTotals()) == FIGURES
        assert FIGURES.net == FIGURES.ordered + FIGURES.cancelled
        for name in app.projections.names():
            assert (await app.projections.compare(name)).is_same  # a rebuild would give the same


@needs_file
async def test_sales_by_customer_product_and_day_are_those_of_the_file(shop: App, rows: list[Row]) -> None:
    async with shop as app:
        await take_over(app, FILE)

        customers = await app.ask(GetSalesByCustomer(limit=100))
        of_file = {key.removesuffix(".0"): net for key, net in net_by(rows, "CustomerID").items() if key}
        assert {row.customer_id: row.net for row in customers.items} == of_file
        assert [row.net for row in customers.items] == sorted(of_file.values(), reverse=True)
        assert customers.total == 34

        products: dict[str, ProductSales] = {}
        offset: int | None = 0
        while offset is not None:  # page by page
            page = await app.ask(GetSalesByProduct(limit=500, offset=offset))
            products |= {row.product_id: row for row in page.items}
            offset = page.next_offset
        assert {key: row.net for key, row in products.items()} == net_by(rows, "StockCode")
        assert {key: row.lines for key, row in products.items()} == Counter(row["StockCode"] for row in rows)
        assert products["22423"].description == "REGENCY CAKESTAND 3 TIER"  # not the remark of a write-off: faulty

        days = await app.ask(GetSalesByDay(limit=500))
        for row in rows:
            row["day"] = row["InvoiceDate"][:10]
        assert {row.day.isoformat(): row.net for row in days.items} == net_by(rows, "day")
        assert sum(row.orders for row in days.items) == 228
        some = await app.ask(GetSalesByDay(date_from=days.items[3].day, date_to=days.items[7].day))
        assert some.items == days.items[3:8]


@needs_file
async def test_a_second_import_adds_nothing(shop: App) -> None:
    async with shop as app:
        await take_over(app, FILE)
        head = await app.store.head()
        report = await take_over(app, FILE)
        assert (report.rows, report.rows_before, report.events) == (0, 5_000, 0)
        assert await app.store.head() == head
        assert await app.ask(GetSalesTotals()) == FIGURES


@needs_file
async def test_a_rebuild_gives_the_same_again(shop: App) -> None:
    async with shop as app:
        await take_over(app, FILE)
        before = await app.ask(GetSalesByCustomer(limit=100))
        for name in app.projections.names():
            await app.projections.rebuild(name)
        assert await app.ask(GetSalesTotals()) == FIGURES
        assert await app.ask(GetSalesByCustomer(limit=100)) == before


@needs_file
async def test_old_orders_are_listed_beside_new_ones(shop: App, rows: list[Row]) -> None:
    async with shop as app:
        await take_over(app, FILE)
        old = await app.ask(GetOrder(order_id="537223"))
        lines = [row for row in rows if row["InvoiceNo"] == "537223"]
        assert [item.product_id for item in old.items] == [row["StockCode"] for row in lines]
        assert old.order.total == net_by(lines, "InvoiceNo")["537223"]
        assert (old.order.customer_id, old.order.customer_name, old.order.status) == ("13579", "13579", "delivered")
        guests = await app.ask(SearchOrders(text=GUEST, limit=500))
        assert {row.order_id for row in guests if row.customer_id is None} == {
            row["InvoiceNo"] for row in rows if not row["CustomerID"] and int(row["Quantity"]) > 0
        }

        with metadata(actor="sue", role="staff"):
            item = Item(product_id="22423", quantity=1, unit_price=Decimal("12.75"))
            done = await app.execute(CreateOrder(order_id="n1", customer_id="13579", items=(item,)))
            orders = await app.ask(GetOrdersByCustomer(customer_id="13579", limit=1), after=done)
            assert orders.items[0].order_id == "n1"
            assert orders.total == 1 + len({row["InvoiceNo"] for row in rows if row["CustomerID"] == "13579.0"})

            done = await app.execute(AddProduct(product_id="22423", name="Zebra stand"))
        found = await app.ask(SearchOrders(text="zebra", limit=500), after=done)
        assert {row.order_id for row in found} == {
            "n1",
            *(row["InvoiceNo"] for row in rows if row["StockCode"] == "22423" and int(row["Quantity"]) > 0),
        }


@needs_file
async def test_every_old_order_can_be_loaded(shop: App, rows: list[Row]) -> None:
    async with shop as app:
        await take_over(app, FILE)
        of_file = net_by((row for row in rows if int(row["Quantity"]) > 0), "InvoiceNo")
        assert len(of_file) == 198
        loaded = {number: await app.load(Order, number) for number in of_file}
        assert {number: order.total for number, order in loaded.items()} == of_file
        assert {order.status for order in loaded.values()} == {"delivered"}


@needs_file
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_it_says_what_it_did(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await main(FILE, request.getfixturevalue("postgres_url") if kind == "postgres" else str(tmp_path / "orders.db"))
    printed = capsys.readouterr().out
    assert "5,000 new lines and 0 old ones" in printed
    assert "249 invoices: 228 orders and 21 cancellations with 30 lines" in printed
    assert "23,681 pieces for 56,672.34 = 56,988.80 - 316.46" in printed
