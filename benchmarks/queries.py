"""Work: how long a query takes that is answered from tables, in milliseconds.

everfold: ``App.ask`` with its whole pipeline, a hop to a reader's thread and one consistent view. Raw: the same rows
selected from everfold's file in the calling thread and made into the same structs, with the count of a page.
Reading one's own write is a command and a query that wants to know it, beside the command alone.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from itertools import cycle
from pathlib import Path

from benchmarks.everfold_side import bank, caught_up, fill_interleaved, owner_of
from benchmarks.latency import timed
from benchmarks.payload import AMOUNT, account_ids
from benchmarks.raw_side import connect
from benchmarks.read_models import AccountRow, Accounts, GetAccount, ListAccounts, ListAccountsCached
from benchmarks.report import Table, compare, percentile_99
from benchmarks.turns import Bench, Sample, in_turns
from everfold import App, Page
from everfold.engines.sqlite.read_database import views_path
from examples.accounts.domain import Deposit

__all__ = ["measure"]

ONE = "SELECT account_id, owner, balance FROM account_row WHERE account_id = ?"
SOME = "SELECT account_id, owner, balance FROM account_row WHERE owner = ? ORDER BY balance DESC, account_id LIMIT 50"
COUNT = "SELECT count(*) FROM account_row WHERE owner = ?"


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """Median and 99th percentile of one row, a page, a page that is kept, and reading one's own write."""
    accounts, count = bench.count(5_000, quick=20), bench.count(500, quick=5)
    with bench.new_file() as path:
        async with bank(path, Accounts) as app:
            events = await fill_interleaved(app, streams=accounts, events_each=2)
            await caught_up(app, GetAccount(account_id=account_ids(1)[0]), events)
            for work, sides in _works(app, path, accounts, count).items():
                samples = await in_turns(work, sides, bench)
                yield compare(f"{work}, median", "ms", samples, targets={})
                yield compare(f"{work}, 99th percentile", "ms", samples, targets={}, figure=percentile_99)


def _works(app: App, path: Path, accounts: int, count: int) -> dict[str, dict[str, Sample]]:
    keys, owner = cycle(account_ids(accounts)), owner_of(3)
    raw = connect(Path(views_path(str(path))))
    kept = ListAccountsCached(owner=owner)

    def sample(step: Callable[[], Awaitable[object]]) -> Sample:
        return partial(timed, step, count)

    return {
        "query of one row": {
            "everfold": sample(lambda: app.ask(GetAccount(account_id=next(keys)))),
            "raw select": sample(partial(_raw_one, raw, keys)),
        },
        f"query of a page of 50 of {accounts // 10:,}": {
            "everfold": sample(lambda: app.ask(ListAccounts(owner=owner))),
            "raw select": sample(partial(_raw_page, raw, owner)),
        },
        "query of a page, answered before": {
            "everfold": sample(lambda: app.ask(kept)),
            "raw select": sample(partial(_raw_page, raw, owner)),
        },
        "command, then query of what it wrote": {
            "everfold": sample(partial(_own_write, app, keys)),
            "everfold, the command alone": sample(lambda: app.execute(Deposit(account_id=next(keys), amount=AMOUNT))),
        },
    }


async def _own_write(app: App, keys: cycle[str]) -> AccountRow:
    key = next(keys)
    done = await app.execute(Deposit(account_id=key, amount=AMOUNT))
    return await app.ask(GetAccount(account_id=key), after=done)


async def _raw_one(connection: sqlite3.Connection, keys: cycle[str]) -> AccountRow:
    return AccountRow(*connection.execute(ONE, (next(keys),)).fetchone())


async def _raw_page(connection: sqlite3.Connection, owner: str) -> Page[AccountRow]:
    connection.execute("BEGIN")
    items = [AccountRow(*row) for row in connection.execute(SOME, (owner,))]
    (total,) = connection.execute(COUNT, (owner,)).fetchone()
    connection.execute("COMMIT")
    return Page(items, total, 50, 0)
