"""The part of ``everfold demo`` that reads: a read model, one's own write, the past, and a rebuild with progress."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from everfold.cli.output import show
from everfold.cli.rate_bar import rate_bar, rate_text

if TYPE_CHECKING:
    from everfold.app.application import App

__all__ = ["read_models"]

PATIENCE = 600.0


async def read_models(app: App, visitor: str) -> None:
    """Show what can be read, and how it is made."""
    await _own_write(app, visitor)
    await _past(app, visitor)
    await _page(app)
    await _rebuild(app)


async def _own_write(app: App, visitor: str) -> None:
    from everfold.cli.demo_bank import Deposit, GetAccount
    from everfold.identifiers import Position

    _heading("A read model follows the log, and one's own write can be waited for")
    await app.ask(GetAccount(account_id=visitor), after=Position(await app.store.head()), timeout=PATIENCE)
    command = Deposit(account_id=visitor, amount=700)
    show(f"  > {command}")
    done = await app.execute(command)
    started = time.perf_counter()
    row = await app.ask(GetAccount(account_id=visitor), after=done)
    milliseconds = (time.perf_counter() - started) * 1_000
    show(f"    {row}, {milliseconds:.1f} ms later: it knows position {done.position}")


async def _past(app: App, visitor: str) -> None:
    from everfold.cli.demo_bank import GetAccount
    from everfold.identifiers import Position

    _heading("The same question about the past")
    records = await app.store.engine.read_stream(f"account-{visitor}", limit=3)
    for record in records:
        row = await app.ask(GetAccount(account_id=visitor), as_of=Position(record.position))
        show(f"  as of position {record.position}: balance {row.balance / 100:>8,.2f}")


async def _page(app: App) -> None:
    from everfold.cli.demo_bank import AccountsOfOwner

    _heading("Rows by an index, a page at a time")
    page = await app.ask(AccountsOfOwner(owner="Ann", limit=3))
    for row in page.items:
        show(f"  {row.account_id:<10}  {row.balance / 100:>10,.2f}  after {row.movements} movements")
    show(f"  {len(page.items)} of {page.total} accounts that Ann has")


async def _rebuild(app: App) -> None:
    _heading("Rebuilt from all events beside the live tables, then switched in one transaction")
    reached = 0
    started = time.perf_counter()
    with rate_bar("rebuilding accounts", "events") as advance:

        def told(position: int, head: int) -> None:
            nonlocal reached
            advance(position - reached, position / head if head else None)
            reached = position

        build = await app.projections.rebuild("accounts", told)
    show(f"  build {build}: {rate_text(reached, time.perf_counter() - started, 'events')}")
    compared = await app.projections.compare("accounts")
    rows = sum(table.same for table in compared.tables)
    verdict = "all as before" if compared.is_same else "and some of them changed"
    show(f"  {rows:,} rows, compared with another fold of the log: {verdict}")


def _heading(text: str) -> None:
    show()
    show(click.style(text, bold=True))
