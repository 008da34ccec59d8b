"""Takes over the invoices of the old shop: ``python -m examples.orders.import_retail FILE [STORE]``.

An import that was interrupted goes on where it was, and a second one adds nothing. The file is read as a stream, so
its size does not matter. The read models follow the import; the figures are printed when they have caught up.
"""

import argparse
import asyncio
import sys
import time
from pathlib import Path

import msgspec

from everfold import App, EverfoldError
from everfold.errors import ReadModelBehind
from everfold.migration.csv_source import CsvSource
from everfold.migration.import_report import ImportProgress, ImportReport
from everfold.migration.imports import run_import
from examples.orders.app import orders_app
from examples.orders.history import COLUMNS, HISTORY
from examples.orders.sales_views import GetSalesByCustomer, GetSalesByDay, GetSalesByProduct, GetSalesTotals

LOOK_AGAIN = 0.2
"""Seconds between two looks at the read models."""
INTERRUPTED = 130
"""The exit status of programs that Ctrl-C ended."""


async def take_over(app: App, path: Path, *, encoding: str = "utf-8") -> ImportReport:
    """Import what is not imported yet, and wait until the read models show it."""
    report = await import_invoices(app, path, encoding=encoding)
    await catch_up(app)
    return report


async def import_invoices(app: App, path: Path, *, encoding: str = "utf-8") -> ImportReport:
    history = msgspec.structs.replace(HISTORY, source=CsvSource(path, encoding=encoding))
    return await run_import(app.store, history, progress=show_import)


async def catch_up(app: App) -> None:
    """Wait until every read model shows everything. Raises ReadModelBehind for one that somebody paused."""
    for name in app.projections.names():
        while (status := await app.projections.status(name)).lag:
            if status.paused is not None:
                why = f"it is paused ({status.paused}). Resume it with: everfold projections resume {name}."
                raise ReadModelBehind(name, wanted=status.head, reached=status.position, why=why)
            show(status.problem or f"the read models {name!r} have {status.lag:,} events to go")
            await asyncio.sleep(LOOK_AGAIN)
        if status.parked:
            show("")
            print(f"{status.parked:,} events are not in {name!r}; see: everfold parked list", file=sys.stderr)


def show_import(progress: ImportProgress) -> None:
    verb = "compared" if progress.is_checking else "imported"
    show(f"{verb} {progress.row:,} lines ({progress.share or 0:.0%})")


def show(text: str) -> None:
    """One line that is written over; only on terminals."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


async def print_sales(app: App) -> None:
    totals = await app.ask(GetSalesTotals())
    customers = await app.ask(GetSalesByCustomer(limit=3))
    products = await app.ask(GetSalesByProduct(limit=3))
    days = await app.ask(GetSalesByDay(limit=1))
    print(
        f"{totals.invoices:,} invoices: {totals.orders:,} orders and {totals.cancellations:,} cancellations with "
        f"{totals.cancelled_lines:,} lines, on {days.total:,} days.\n"
        f"{totals.customers:,} customers and {totals.guest_lines:,} lines of guests; {totals.products:,} products.\n"
        f"{totals.quantity:,} pieces for {totals.net:,.2f} = {totals.ordered:,.2f} - {-totals.cancelled:,.2f}."
    )
    print("The best customers:", ", ".join(f"{row.customer_id} ({row.net:,.2f})" for row in customers.items))
    print("What brought most:", ", ".join(f"{row.description or '?'} ({row.net:,.2f})" for row in products.items))


async def main(path: Path, store: str, *, encoding: str = "utf-8") -> None:
    began = time.perf_counter()
    async with orders_app(store) as app:
        report = await take_over(app, path, encoding=encoding)
        show("")
        print(
            f"{report.rows:,} new lines and {report.rows_before:,} old ones of {report.source}; {report.events:,} "
            f"events in {time.perf_counter() - began:.1f} s, in {store}."
        )
        await print_sales(app)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.orders.import_retail",
        description="Take over the invoices of the old shop, and print what it sold. Stop it at any time: run again, "
        "it goes on where it was, and what is imported already is not imported again.",
        epilog=f"The columns of FILE: {', '.join(COLUMNS)}. The lines of an invoice follow one another.",
    )
    parser.add_argument("file", metavar="FILE", type=existing, help="the invoices as CSV, also as .csv.gz")
    parser.add_argument("store", metavar="STORE", nargs="?", default="orders.db", help="where to (default: orders.db)")
    parser.add_argument("--encoding", default="utf-8", help="of the file, such as cp1252 (default: utf-8)")
    return parser.parse_args()


def existing(path: str) -> Path:
    """Said before a store is made for it."""
    if not Path(path).exists():
        raise argparse.ArgumentTypeError(f"there is no file {path}")
    return Path(path)


if __name__ == "__main__":
    given = arguments()
    try:
        asyncio.run(main(given.file, given.store, encoding=given.encoding))
    except KeyboardInterrupt:
        show("")
        print("Stopped. Run it again: it goes on where it was.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except EverfoldError as error:
        show("")
        sys.exit(str(error))
