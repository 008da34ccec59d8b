"""Takes over the history of a real bank from a CSV file: ``python -m examples.accounts.import_history FILE``.

Each line is one idempotent command, keyed by its transaction: a run that was interrupted goes on where it was,
and a second run adds nothing. The accounts are imported side by side, the transactions of each in their order.
"""

import asyncio
import csv
import datetime as dt
import sys
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import groupby
from pathlib import Path

from everfold import App
from examples.accounts.ledger import BookTransaction, Ledger

AT_ONCE = 64


def cents(amount: str) -> int:
    """``-12.30`` -> -1230; an error for fractions of a cent."""
    exact = Decimal(amount) * 100
    if exact != int(exact):
        raise ValueError(f"{amount} is not a whole number of cents")
    return int(exact)


def read(path: Path) -> Iterator[BookTransaction]:
    """The transactions of a file, account by account, in order."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda row: (row["account_id"], int(row["account_version"])))
    for row in rows:
        yield BookTransaction(
            account_id=row["account_id"],
            sequence=int(row["account_version"]),
            transaction_id=row["trans_id"],
            booked_on=dt.date.fromisoformat(row["date"]),
            operation=row["operation"] or row["type"],
            amount=cents(row["signed_amount"]),
            correction=cents(row["residual"]),
        )


async def book(app: App, transactions: Iterable[BookTransaction]) -> int:
    """Book them all; how many were new."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one_account(own: list[BookTransaction]) -> int:
        new = 0
        async with turns:
            for transaction in own:
                done = await app.execute(transaction, idempotency_key=transaction.transaction_id)
                new += not done.repeated
        return new

    accounts = [list(own) for _, own in groupby(transactions, key=lambda transaction: transaction.account_id)]
    return sum(await asyncio.gather(*map(one_account, accounts)))


def ledger_app(store: str) -> App:
    return App("ledger", Ledger, store=store)


async def main(path: Path, store: str) -> None:
    transactions = list(read(path))
    async with ledger_app(store) as app:
        new = await book(app, transactions)
        keys = dict.fromkeys(transaction.account_id for transaction in transactions)
        total = sum([(await app.load(Ledger, key)).balance for key in keys])
    print(f"{len(transactions):,} transactions of {len(keys):,} accounts, {new:,} of them new, in {store}.")
    print(f"The balances add up to {Decimal(total) / 100:,.2f}.")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit("usage: python -m examples.accounts.import_history FILE [STORE]")
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) == 3 else "ledger.db"))
