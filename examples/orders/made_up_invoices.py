"""Writes a file like the old shop's, as long as you like: ``python -m examples.orders.made_up_invoices LINES FILE``.

With a seed, so that the same call writes the same file. The full file of the old shop has 541,909 lines; with this one
can try an import of that size.
"""

import csv
import random
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec

from examples.orders.history import COLUMNS

COUNTRIES = ["United Kingdom"] * 9 + ["Germany", "France", "EIRE"]
PRODUCTS, CUSTOMERS = 4_000, 4_400
FIRST_NUMBER = 536_365


class Written(msgspec.Struct):
    """What is in the file, to compare an import with."""

    lines: int = 0
    orders: int = 0
    cancellations: int = 0
    quantity: int = 0
    net: Decimal = Decimal(0)


def write(path: Path, lines: int, *, seed: int = 1, first_number: int = FIRST_NUMBER) -> Written:
    written = Written()
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(COLUMNS)
        for invoice in invoices(random.Random(seed), lines, first_number):  # noqa: S311 (no secrets)
            writer.writerows(invoice)
            count(written, invoice)
    return written


def count(written: Written, invoice: list[list[str]]) -> None:
    is_cancellation = invoice[0][0].startswith("C")
    written.cancellations += is_cancellation
    written.orders += not is_cancellation
    written.lines += len(invoice)
    written.quantity += sum(int(line[3]) for line in invoice)
    written.net += sum(int(line[3]) * Decimal(line[5]) for line in invoice)


def invoices(chance: random.Random, lines: int, number: int) -> Iterator[list[list[str]]]:
    while lines:
        size = min(lines, 1 + int(chance.expovariate(1 / 20)))
        yield invoice(chance, number, size)
        number += 1
        lines -= size


def invoice(chance: random.Random, number: int, size: int) -> list[list[str]]:
    kind = chance.choices(["order", "cancellation", "write-off"], [85, 12, 3])[0]
    days = (number - FIRST_NUMBER) // 80
    time = f"2011-{1 + days // 28 % 12:02}-{1 + days % 28:02} {chance.randrange(8, 18):02}:{chance.randrange(60):02}:00"
    is_guest = kind == "write-off" or chance.random() < 0.25
    customer = "" if is_guest else f"{12_346 + chance.randrange(CUSTOMERS)}.0"
    country = chance.choice(COUNTRIES)
    name = f"C{number}" if kind == "cancellation" else str(number)
    lines: list[list[str]] = []
    for _ in range(size):
        product = int(PRODUCTS * chance.random() ** 2)
        quantity = chance.randrange(1, 25) * (1 if kind == "order" else -1)
        price = "0.0" if kind == "write-off" else f"{(product * 37 % 1995 + 5) / 100:.2f}"
        description = "" if kind == "write-off" else f"PRODUCT NUMBER {product} IN A BOX"
        lines.append([name, str(20_000 + product), description, str(quantity), time, price, customer, country])
    return lines


if __name__ == "__main__":
    if len(sys.argv) != 3 or not sys.argv[1].isdecimal():
        sys.exit("usage: python -m examples.orders.made_up_invoices LINES FILE")
    print(write(Path(sys.argv[2]), int(sys.argv[1])))
