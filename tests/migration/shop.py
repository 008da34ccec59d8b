"""A shop's old invoices as events: the mapping that these tests import with."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from everfold.app.application import App
from everfold.domain.event import Event
from everfold.log.engine import Engine
from everfold.migration.csv_source import CsvSource
from everfold.migration.mapping import Import, Imported

RETAIL = Path(__file__).parents[3] / "shared" / "data" / "online_retail_sample_5000.csv"
needs_retail = pytest.mark.skipif(not RETAIL.exists(), reason="the shop's file lies beside the repository, in CI only")
COLUMNS = ("invoice", "item", "quantity")


class LineInvoiced(Event):
    item: str
    quantity: int


class InvoiceBegun(Event):
    lines: int


def shop(store: "str | Engine") -> App:
    return App("shop", events=[LineInvoiced, InvoiceBegun], store=store)


def line(row: dict[str, str]) -> Iterator[Imported]:
    """One row, one event; a row without an item is passed over."""
    if row["item"]:
        yield Imported(f"invoice-{row['invoice']}", LineInvoiced(item=row["item"], quantity=int(row["quantity"])))


def invoice(rows: Sequence[dict[str, str]]) -> Iterator[Imported]:
    """All rows of an invoice, its beginning first."""
    lines = [LineInvoiced(item=row["item"], quantity=int(row["quantity"])) for row in rows]
    yield Imported(f"invoice-{rows[0]['invoice']}", InvoiceBegun(lines=len(lines)), *lines)


def write_csv(path: Path, rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        writer.writerows(rows)
    return path


def rows(count: int, *, begin: int = 1) -> list[tuple[str, str, int]]:
    """Three rows for each invoice."""
    return [(f"i{(number + 2) // 3}", f"item {number % 7}", number) for number in range(begin, begin + count)]


def lines_of(path: Path, name: str = "old-shop", **options: Any) -> Import:
    return Import(name, CsvSource(path), line, **options)


async def quantities(app: App) -> list[int]:
    """What was imported, in the order of the log."""
    return [event.quantity async for event, _ in app.store.read() if isinstance(event, LineInvoiced)]
