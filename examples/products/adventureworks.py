"""The files of AdventureWorks as events: which file holds what, and how each of its rows is mapped."""

import datetime as dt
from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from pathlib import Path

from everfold.migration.csv_source import CsvSource
from everfold.migration.mapping import Import, Imported
from examples.products.domain import ListPriceSet, ProductCreated, ProductDiscontinued, StandardCostSet
from examples.products.purchases import PurchaseLine, PurchaseLinesTakenOver, PurchaseOrderTakenOver, Status

Row = dict[str, str]
PRODUCTS = "product.csv.gz"
LIST_PRICES = "product_list_price_history.csv.gz"
COSTS = "product_cost_history.csv.gz"
PURCHASE_ORDERS = "purchase_order_header.csv.gz"
PURCHASE_LINES = "purchase_order_detail.csv.gz"
FILES = (PRODUCTS, LIST_PRICES, COSTS, PURCHASE_ORDERS, PURCHASE_LINES)
CATEGORIES = {"R": "road", "M": "mountain", "T": "touring", "S": "standard"}
STATUSES: dict[str, Status] = {"1": "pending", "2": "approved", "3": "rejected", "4": "complete"}


def imports(folder: Path) -> list[Import]:
    """Everything in the order in which it has to come: products before their prices, orders before their lines."""
    products, list_prices, costs, orders, lines = [CsvSource(folder / name) for name in FILES]
    with_history = frozenset(row.fields.get("ProductID", "") for row in list_prices)
    return [
        Import("adventureworks-products", products, partial(product, with_history=with_history)),
        Import("adventureworks-list-prices", list_prices, list_price),
        Import("adventureworks-costs", costs, cost),
        Import("adventureworks-discontinued", products, discontinued),
        Import("adventureworks-purchase-orders", orders, purchase_order),
        Import("adventureworks-purchase-lines", lines, purchase_lines, group_by="PurchaseOrderID"),
    ]


def product(row: Row, *, with_history: frozenset[str]) -> Iterator[Imported]:
    """A product, and its price when there is no history of it."""
    stream = product_stream(row)
    category = CATEGORIES.get(row["ProductLine"].strip(), "other")
    yield Imported(stream, ProductCreated(name=row["Name"], category=category, number=row["ProductNumber"]))
    list_price = Decimal(row["ListPrice"])
    if list_price and row["ProductID"] not in with_history:
        since = day(row["SellStartDate"])
        yield Imported(stream, ListPriceSet(price=list_price, since=since))
        yield Imported(stream, StandardCostSet(cost=Decimal(row["StandardCost"]), since=since))


def list_price(row: Row) -> Iterator[Imported]:
    price = ListPriceSet(
        price=Decimal(row["ListPrice"]), since=day(row["StartDate"]), until=day_or_none(row["EndDate"])
    )
    yield Imported(product_stream(row), price)


def cost(row: Row) -> Iterator[Imported]:
    cost = StandardCostSet(
        cost=Decimal(row["StandardCost"]), since=day(row["StartDate"]), until=day_or_none(row["EndDate"])
    )
    yield Imported(product_stream(row), cost)


def discontinued(row: Row) -> Iterator[Imported]:
    if row["SellEndDate"]:
        yield Imported(product_stream(row), ProductDiscontinued(last_day=day(row["SellEndDate"])))


def purchase_order(row: Row) -> Iterator[Imported]:
    order = PurchaseOrderTakenOver(
        vendor_id=row["VendorID"],
        status=STATUSES[row["Status"]],
        ordered_on=day(row["OrderDate"]),
        sub_total=Decimal(row["SubTotal"]),
        tax=Decimal(row["TaxAmt"]),
        freight=Decimal(row["Freight"]),
        total_due=Decimal(row["TotalDue"]),
    )
    yield Imported(order_stream(row), order)


def purchase_lines(rows: Sequence[Row]) -> Iterator[Imported]:
    lines = [
        PurchaseLine(
            product_id=row["ProductID"],
            unit_price=Decimal(row["UnitPrice"]),
            ordered=int(row["OrderQty"]),
            received=pieces(row["ReceivedQty"]),
            rejected=pieces(row["RejectedQty"]),
        )
        for row in rows
    ]
    yield Imported(order_stream(rows[0]), PurchaseLinesTakenOver(lines=tuple(lines)))


def product_stream(row: Row) -> str:
    return f"product-{row['ProductID']}"


def order_stream(row: Row) -> str:
    return f"purchase_order-{row['PurchaseOrderID']}"


def day(text: str) -> dt.date:
    """``2022-05-30 00:00:00.000``: all times are midnight."""
    return dt.datetime.fromisoformat(text).date()


def day_or_none(text: str) -> dt.date | None:
    return day(text) if text else None


def pieces(text: str) -> int:
    """``3.00`` -> 3; an error for parts of a piece."""
    exact = Decimal(text)
    if exact != int(exact):
        raise ValueError(f"{text} is not a whole number of pieces")
    return int(exact)
