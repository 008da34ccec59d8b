"""``everfold demo``: a bank on a SQLite file, filled with its own data, and a short tour through it."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from everfold.cli.demo_read_models import read_models
from everfold.cli.output import progress, quiet_option, show
from everfold.errors import ConfigurationError

if TYPE_CHECKING:
    from everfold.app.application import App

__all__ = ["demo"]

FILE = "everfold-demo.db"
MODULE = "everfold.cli.demo_bank:app"
PREFIX = "account-demo-"


@click.command(short_help="Try it: a small bank on a SQLite file.")
@click.option("--store", metavar="FILE", default=FILE, show_default=True, help="Where to put the demo's store.")
@click.option("--accounts", type=click.IntRange(1, 999), default=200, show_default=True)
@click.option("--transactions", type=click.IntRange(10), default=100, show_default=True, help="For each account.")
@click.option("--serve", is_flag=True, help="Do not show it, serve it: HTTP, until it is stopped with Ctrl-C.")
@click.option("--port", type=click.IntRange(0, 65_535), help="With --serve: the port. [8000, if it is free]")
@quiet_option
def demo(store: str, accounts: int, transactions: int, serve: bool, port: int | None) -> None:
    """Fill a store with a small bank's history, then show what an event store can do with it, or serve it.

    The data is always the same. Run again, it continues with the file that is there; delete the file to begin anew.
    """
    path = Path(store)
    where = f"{path.resolve()} ({'continued' if path.exists() else 'new'})"
    if serve:
        from everfold.cli.demo_serve import serve_demo
        from everfold.cli.serving import check_installed

        check_installed()
        asyncio.run(_only_fill(store, where, accounts=accounts, transactions=transactions))
        serve_demo(store, _example(accounts), port)
    else:
        asyncio.run(_demo(store, where, accounts=accounts, transactions=transactions))


def _example(accounts: int) -> str:
    """One of the accounts."""
    return f"demo-{min(42, accounts):03d}"


async def _only_fill(store: str, where: str, *, accounts: int, transactions: int) -> None:
    from everfold.app.application import App
    from everfold.cli.demo_bank import Account

    async with App("everfold-demo", Account, store=store) as app:
        await _begin(app, store, where, accounts, transactions)


async def _begin(app: App, store: str, where: str, accounts: int, transactions: int) -> None:
    await _check_ours(app, store)
    show(click.style("everfold demo: a bank on one SQLite file", bold=True))
    show(f"  {where}")
    await _fill(app, accounts, transactions)


async def _demo(store: str, where: str, *, accounts: int, transactions: int) -> None:
    from everfold.app.application import App
    from everfold.cli.demo_bank import Account, Accounts

    async with App("everfold-demo", Account, Accounts, store=store) as app:
        await _begin(app, store, where, accounts, transactions)
        visitor = await _command(app)
        await _refusal(app, visitor)
        await _repetition(app, visitor)
        await _history(app, _example(accounts))
        await read_models(app, visitor)
    _heading("Over HTTP")
    show(f"  {_program()} demo --serve{'' if store == FILE else f' --store {store}'}")
    _look_further(store, _example(accounts))


async def _check_ours(app: App, store: str) -> None:
    async for record in app.store.records(limit=1):
        if not record.stream.startswith(PREFIX):
            raise ConfigurationError(f"{store} holds the events of another application. Give the demo another --store.")


async def _fill(app: App, accounts: int, transactions: int) -> None:
    from everfold.cli.demo_bank import history_of

    before = await app.store.head()
    started = time.perf_counter()
    with progress("filling", accounts * (transactions + 1)) as advance:

        async def live(number: int) -> None:
            newest = await app.store.engine.read_stream(f"{PREFIX}{number:03d}", limit=1, backwards=True)
            done = newest[0].version if newest else 0
            advance(min(done, transactions + 1))
            for count, command in enumerate(history_of(number, transactions)):
                if count >= done:
                    await app.execute(command)
                    advance(1)

        await asyncio.gather(*(live(number) for number in range(1, accounts + 1)))
    seconds, count = time.perf_counter() - started, await app.store.head() - before
    if count:
        rate = f"{count / seconds:,.0f} a second, each acknowledged only after a durable commit"
        show(f"  {count:,} commands of {accounts} customers at once in {seconds:.1f} s: {rate}")
    else:
        show("  Its history is complete already.")


async def _command(app: App) -> str:
    from everfold.cli.demo_bank import Deposit, OpenAccount

    _heading("A command is decided, and what it records is stored")
    earlier = await app.store.streams(prefix="account-visitor-")
    visitor = f"visitor-{len(earlier) + 1}"
    commands = (
        OpenAccount(account_id=visitor, owner="You", initial_balance=5_000),
        Deposit(account_id=visitor, amount=1_250),
    )
    for command in commands:
        show(f"  > {command}")
        done = await app.execute(command)
        show(f"    {', '.join(map(repr, done.events))} at position {done.position}, version {done.version}")
    return visitor


async def _refusal(app: App, visitor: str) -> None:
    from everfold.cli.demo_bank import Withdraw
    from everfold.errors import Rejected

    _heading("What must not be is refused, and nothing is stored")
    command = Withdraw(account_id=visitor, amount=999_900)
    show(f"  > {command}")
    try:
        await app.execute(command)
    except Rejected as refusal:
        show(f"    Rejected, {refusal.reason}: {refusal.message}")


async def _repetition(app: App, visitor: str) -> None:
    from everfold.cli.demo_bank import Withdraw

    _heading("A command sent twice with one idempotency key has one effect")
    command = Withdraw(account_id=visitor, amount=250)
    for _ in range(2):
        done = await app.execute(command, idempotency_key=f"{visitor}/first-withdrawal")
        again = "stored before, the same reply" if done.repeated else "stored now"
        show(f"  > {command}  reply {done.reply}, {again}")


async def _history(app: App, key: str) -> None:
    from everfold.cli.demo_bank import Account
    from everfold.cli.record_text import RecordLines
    from everfold.identifiers import Version

    _heading(f"The history of one account, {key}")
    lines = RecordLines()
    for record in reversed(await app.store.engine.read_stream(f"account-{key}", limit=5, backwards=True)):
        show(f"  {lines.line(record)}")
    _heading("Every past state can be looked at")
    for version in (1, 5, 10):
        past = await app.load(Account, key, at=Version(version))
        show(f"  after event {version:>3}: balance {past.balance / 100:>10,.2f}")
    now = await app.load(Account, key)
    show(f"  now:             balance {now.balance / 100:>10,.2f}")


def _look_further(store: str, key: str) -> None:
    name, where = _program(), f"--store {store}"
    commands = {
        f"{name} events tail -n 5 {where}": "the newest events",
        f"{name} events show 1 {where} --json": "one event, for programs",
        f"{name} streams list --prefix account-visitor {where}": "some streams",
        f"{name} state account {key} --at 10 --app {MODULE} {where}": "a past state",
        f"{name} state account {key} --diff 5 10 --app {MODULE} {where}": "what changed",
        f"{name} query accounts-of-owner owner=Ann limit=3 --app {MODULE} {where}": "a read model, a page of it",
        f"{name} projections list --app {MODULE} {where}": "what keeps the read models up to date",
        f"{name} projections rebuild accounts --dry-run --app {MODULE} {where}": "what a rebuild would change",
        f"{name} describe --app {MODULE}": "what the app consists of",
        f"{name} doctor --verify {where}": "is everything sound",
        f"{name} new shop": "an app of your own",
    }
    _heading("Look further")
    for command, purpose in commands.items():
        show(f"  {click.style('# ' + purpose, dim=True)}")
        show(f"  {command}")


def _program() -> str:
    """How the user would call this very program from here."""
    found = shutil.which("everfold")
    ours = Path(sys.argv[0])
    if ours.name != "everfold" or (found and Path(found).resolve() == ours.resolve()):
        return "everfold"
    try:
        return str(ours.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(ours)


def _heading(text: str) -> None:
    show()
    show(click.style(text, bold=True))
