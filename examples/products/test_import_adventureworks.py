"""Real input: the catalogue, price periods and purchase orders of AdventureWorks give the figures of their files."""

import csv
import datetime as dt
import gzip
import json
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from everfold import App, NotFound, Page, Query
from everfold.migration.import_report import ImportProgress
from everfold.migration.imports import run_import
from examples.products.adventureworks import day_or_none, imports, pieces, purchase_lines
from examples.products.app import products_app
from examples.products.catalogue import GetProduct, ListProducts
from examples.products.domain import Product, UpdateProduct
from examples.products.import_adventureworks import main, take_over
from examples.products.price_history import GetPrice, GetPriceHistory, Kind, ListPrices, PricePeriod
from examples.products.purchases import (
    GetPurchaseOrder,
    GetPurchasesByProduct,
    GetPurchasesByVendor,
    ListPurchaseOrders,
)

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "adventureworks"
pytestmark = pytest.mark.skipif(not FOLDER.exists(), reason="the files lie beside the repository, in CI only")
Row = dict[str, str]


def rows(name: str) -> list[Row]:
    with gzip.open(FOLDER / name, "rt", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def oracle() -> dict[str, Any]:
    """The figures that came with the files."""
    found: dict[str, Any] = json.loads((FOLDER / "oracle_facts.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[App]:
    """The application with everything imported and shown."""
    async with products_app(str(tmp_path / "products.db")) as app:
        head = await take_over(app, FOLDER)
        for query in (ListProducts(), ListPrices(on=dt.date(2025, 1, 1)), ListPurchaseOrders()):
            await app.ask(query, after=head)
        yield app


async def every(app: App, page: type[Any], **fields: Any) -> list[Any]:
    """The rows of all pages of a query."""
    items: list[Any] = []
    offset: int | None = 0
    while offset is not None:
        query: Query[Page[Any]] = page(limit=500, offset=offset, **fields)
        found = await app.ask(query)
        items += found.items
        offset = found.next_offset
    return items


async def test_the_catalogue_is_that_of_the_file(shop: App, oracle: dict[str, Any]) -> None:
    found = {row.product_id: row for row in await every(shop, ListProducts)}
    in_file = {row["ProductID"]: row for row in rows("product.csv.gz")}
    assert len(found) == oracle["products"] == 504
    assert {key: row.name for key, row in found.items()} == {key: row["Name"] for key, row in in_file.items()}
    assert Counter(row.category for row in found.values()) == {
        "other": 226, "road": 100, "mountain": 91, "touring": 52, "standard": 35
    }  # fmt: skip
    assert sum(row.discontinued is not None for row in found.values()) == 98
    assert (await shop.ask(ListProducts(max_price=Decimal(0)))).total == oracle["products_list_price_zero"] == 200
    # the last period is the price and the cost that the catalogue itself has
    assert {key: row.list_price for key, row in found.items()} == {
        key: Decimal(row["ListPrice"]) for key, row in in_file.items()
    }
    dated = {row["ProductID"] for row in rows("product_cost_history.csv.gz")}
    assert len(dated) == oracle["last_history_cost_eq_product_standard_cost"] == 293
    for key in dated:
        assert found[key].standard_cost == Decimal(in_file[key]["StandardCost"])


Period = tuple[str, dt.date | None, Decimal]


@pytest.mark.parametrize(
    ("file", "kind", "column"),
    [
        ("product_list_price_history.csv.gz", "list", "ListPrice"),
        ("product_cost_history.csv.gz", "cost", "StandardCost"),
    ],
)
async def test_all_periods_are_those_of_the_file(
    shop: App, oracle: dict[str, Any], file: str, kind: Kind, column: str
) -> None:
    of_file: dict[str, list[Period]] = {}
    for row in rows(file):
        period = (row["StartDate"][:10], day_or_none(row["EndDate"]), Decimal(row[column]))
        of_file.setdefault(row["ProductID"], []).append(period)
    found: dict[str, list[Period]] = {}
    for product_id in of_file:
        periods = await shop.ask(GetPriceHistory(product_id=product_id, kind=kind))
        found[product_id] = [(period.since.isoformat(), period.until, period.price) for period in periods]
    assert found == of_file
    assert len(found) == oracle["list_price_history_products"] == 293
    assert sum(map(len, found.values())) == oracle["list_price_history_rows"] == 395
    assert sum(periods[-1][1] is None for periods in found.values()) == oracle["last_history_open_ended"] == 195


DAYS = {
    "2022-05-29": (0, "0"),
    "2022-05-30": (72, "86522.5787"),
    "2023-05-29": (72, "86522.5787"),
    "2023-05-30": (128, "82223.2974"),
    "2024-05-28": (128, "82223.2974"),
    "2024-05-29": (195, "126580.5200"),
    "2025-09-21": (195, "126580.5200"),
}
"""How many of the dated prices held on a day, and what they add up to; computed from the file."""


async def test_the_prices_of_a_day_are_those_of_the_periods(shop: App) -> None:
    dated = {row["ProductID"] for row in rows("product_list_price_history.csv.gz")}
    for day, (count, total) in DAYS.items():
        prices: list[PricePeriod] = await every(shop, ListPrices, on=dt.date.fromisoformat(day))
        of_history = [period.price for period in prices if period.product_id in dated]
        assert (len(of_history), sum(of_history)) == (count, Decimal(total))
        assert len(prices) - count == 11  # sold for one price ever since, of which there is no history


async def test_one_product_through_the_years(shop: App) -> None:
    expected = {"2022-05-30": "33.6442", "2024-05-28": "33.6442", "2024-05-29": "34.99", "2026-01-01": "34.99"}
    for day, price in expected.items():
        found = await shop.ask(GetPrice(product_id="707", on=dt.date.fromisoformat(day)))
        assert found.price == Decimal(price)
    cost = await shop.ask(GetPrice(product_id="707", on=dt.date(2023, 6, 1), kind="cost"))
    assert cost.price == Decimal("13.8782")
    with pytest.raises(NotFound):
        await shop.ask(GetPrice(product_id="707", on=dt.date(2022, 5, 29)))


async def test_a_price_of_today_leaves_the_past_as_it_was(shop: App) -> None:
    before = await shop.store.head()
    helmet = await shop.ask(GetProduct(product_id="707"))
    command = UpdateProduct(product_id="707", name=helmet.name, category=helmet.category, list_price=Decimal("39.99"))
    done = await shop.execute(command)
    assert (await shop.ask(GetProduct(product_id="707"), after=done)).list_price == Decimal("39.99")
    assert (await shop.ask(GetProduct(product_id="707"), as_of=before)).list_price == Decimal("34.99")
    old = await shop.ask(GetPrice(product_id="707", on=dt.date(2025, 1, 1)), after=done)
    assert (old.price, old.until is None) == (Decimal("34.99"), False)
    was_open = await shop.ask(GetPrice(product_id="707", on=dt.date(2025, 1, 1)), as_of=before)
    assert (was_open.price, was_open.until) == (Decimal("34.99"), None)
    assert (await shop.load(Product, "707")).list_price == Decimal("39.99")


async def test_the_purchases_have_the_figures_of_the_files(shop: App, oracle: dict[str, Any]) -> None:
    orders = await every(shop, ListPurchaseOrders)
    assert (len(orders), sum(order.lines for order in orders)) == (oracle["orders"], oracle["lines"]) == (4_012, 8_845)
    assert {status.capitalize(): n for status, n in Counter(order.status for order in orders).items()} == oracle[
        "status"
    ]
    for order in orders:
        assert order.sub_total == order.sum_of_lines
        assert order.total_due == order.sub_total + order.tax + order.freight
    assert sum(order.sub_total for order in orders) == Decimal(oracle["sum_subtotal"]) == Decimal("63791994.8380")
    assert sum(order.total_due for order in orders) == Decimal(oracle["sum_totaldue"]) == Decimal("70479332.6383")
    days = [order.ordered_on.isoformat() for order in orders]
    assert [min(days), max(days)] == [moment[:10] for moment in oracle["order_dates"]]

    products = await every(shop, GetPurchasesByProduct)
    assert len(products) == oracle["distinct_products"] == 265
    assert sum(product.ordered for product in products) == oracle["sum_qty"] == 2_348_637
    assert sum(product.received for product in products) == Decimal(oracle["received_qty_sum"]) == 2_327_299
    assert sum(product.rejected for product in products) == Decimal(oracle["rejected_qty_sum"]) == 72_700
    assert sum(product.spent for product in products) == Decimal(oracle["sum_line_total"])

    vendors = await every(shop, GetPurchasesByVendor)
    assert len(vendors) == oracle["vendors"] == 86
    assert sum(vendor.orders for vendor in vendors) == 4_012
    assert sum(vendor.total_due for vendor in vendors) == Decimal("70479332.6383")
    assert (await shop.ask(ListPurchaseOrders(status="rejected"))).total == 86
    one = await shop.ask(GetPurchaseOrder(purchase_order_id="1"))
    assert (one.vendor_id, one.total_due, one.lines) == ("1580", Decimal("222.1492"), 1)


async def test_a_second_import_adds_nothing_and_a_rebuild_changes_nothing(shop: App) -> None:
    head = await shop.store.head()
    assert await take_over(shop, FOLDER) == head
    for name in shop.projections.names():
        assert (await shop.projections.compare(name)).is_same


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_it_says_what_it_did(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await main(FOLDER, request.getfixturevalue("postgres_url") if kind == "postgres" else str(tmp_path / "products.db"))
    printed = capsys.readouterr().out
    assert "adventureworks-products: 526 events of 504 rows\n" in printed
    assert "504 products; 83 of them had a price on 2023-01-01" in printed
    assert "4,012 purchase orders for 265 products from 86 vendors" in printed


class Interrupted(Exception):
    """The power went out."""


async def test_an_import_that_was_interrupted_goes_on(tmp_path: Path) -> None:
    store, rows_seen = str(tmp_path / "products.db"), [0]

    def interrupt(progress: ImportProgress) -> None:
        rows_seen[0] = progress.row
        if progress.row > 1_000:
            raise Interrupted

    async with products_app(store) as app:
        with pytest.raises(Interrupted):
            for each in imports(FOLDER):
                await run_import(app.store, each, progress=interrupt)
    assert 1_000 < rows_seen[0] < 4_012  # amid the purchase orders
    async with products_app(store) as app:
        head = await take_over(app, FOLDER)
        assert head == 526 + 395 + 395 + 98 + 4_012 + 4_012
        vendors = await app.ask(GetPurchasesByVendor(limit=500), after=head)
        assert sum(vendor.total_due for vendor in vendors.items) == Decimal("70479332.6383")
        assert (await app.ask(ListProducts(), after=head)).total == 504


def test_parts_of_a_piece_are_refused() -> None:
    assert pieces("3.00") == 3
    with pytest.raises(ValueError, match="whole number"):
        pieces("2.5")
    with pytest.raises(ValueError, match="whole number"):
        list(purchase_lines([{**rows("purchase_order_detail.csv.gz")[0], "ReceivedQty": "2.5"}]))
