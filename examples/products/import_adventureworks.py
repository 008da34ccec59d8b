"""Takes over the catalogue of AdventureWorks: ``python -m examples.products.import_adventureworks FOLDER [STORE]``.

An import that was interrupted goes on where it was, and a second one adds nothing.
"""

import argparse
import asyncio
import datetime as dt
import sys
from pathlib import Path

from everfold import App, EverfoldError, Position
from everfold.migration.import_report import ImportProgress
from everfold.migration.imports import run_import
from examples.products.adventureworks import FILES, imports
from examples.products.app import products_app
from examples.products.catalogue import ListProducts
from examples.products.price_history import ListPrices
from examples.products.purchases import GetPurchasesByProduct, GetPurchasesByVendor, ListPurchaseOrders

A_DAY = dt.date(2023, 1, 1)
A_MINUTE = 60
INTERRUPTED = 130
"""The exit status of programs that Ctrl-C ended."""


async def take_over(app: App, folder: Path) -> Position:
    """Import what is not imported yet; the position up to which the read models will have to know everything."""
    for each in imports(folder):
        report = await run_import(app.store, each, progress=show_import)
        show("")
        before = f" ({report.rows_before:,} were imported before)" if report.rows_before else ""
        print(f"{each.name}: {report.events:,} events of {report.rows:,} rows{before}")
    return await app.store.head()


def show_import(progress: ImportProgress) -> None:
    show(f"{progress.row:,} rows ({progress.share or 0:.0%})")


def show(text: str) -> None:
    """One line that is written over; only on terminals."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


async def print_catalogue(app: App, after: Position) -> None:
    products = await app.ask(ListProducts(limit=1), after=after, timeout=A_MINUTE)
    prices = await app.ask(ListPrices(on=A_DAY, limit=1), after=after, timeout=A_MINUTE)
    orders = await app.ask(ListPurchaseOrders(limit=1), after=after, timeout=A_MINUTE)
    by_product, by_vendor = await app.ask(GetPurchasesByProduct(limit=1)), await app.ask(GetPurchasesByVendor(limit=1))
    print(f"{products.total:,} products; {prices.total:,} of them had a price on {A_DAY}.")
    print(f"{orders.total:,} purchase orders for {by_product.total:,} products from {by_vendor.total:,} vendors.")


async def main(folder: Path, store: str) -> None:
    async with products_app(store) as app:
        await print_catalogue(app, await take_over(app, folder))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m examples.products.import_adventureworks",
        description="Take over products, price periods and purchase orders of AdventureWorks. Stop it at any time: run "
        "again, it goes on where it was, and what is imported already is not imported again.",
        epilog=f"The files of FOLDER: {', '.join(FILES)}.",
    )
    parser.add_argument("folder", metavar="FOLDER", type=complete, help="the folder with the files")
    parser.add_argument("store", metavar="STORE", nargs="?", default="products.db", help="default: products.db")
    return parser.parse_args()


def complete(folder: str) -> Path:
    """Said before a store is made for it."""
    missing = [name for name in FILES if not (Path(folder) / name).exists()]
    if missing:
        raise argparse.ArgumentTypeError(f"{folder} has no {', '.join(missing)}")
    return Path(folder)


if __name__ == "__main__":
    given = arguments()
    try:
        asyncio.run(main(given.folder, given.store))
    except KeyboardInterrupt:
        show("")
        print("Stopped. Run it again: it goes on where it was.", file=sys.stderr)
        sys.exit(INTERRUPTED)
    except EverfoldError as error:
        show("")
        sys.exit(str(error))
