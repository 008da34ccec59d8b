"""everfold's side: the accounts example with default settings, on an SQLite file or in a PostgreSQL database."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.payload import AMOUNT, BALANCE, METADATA, METADATA_JSON, OPENED, OWNER, account_ids, stream_of
from everfold import App, Position, Projection, Query
from everfold.codec.metadata import reset_metadata, set_metadata
from everfold.log.record import NewRecord
from everfold.log.write import StreamAppend, Write
from examples.accounts.domain import Account, AccountOpened, MoneyDeposited, OpenAccount

__all__ = ["OWNERS", "bank", "caught_up", "fill", "fill_interleaved", "open_accounts", "owner_of", "with_metadata"]

OWNERS = 10
AT_ONCE = 1_000
WAIT = 3_600.0


def bank(store: Path | str, *projections: type[Projection], role: str = "all") -> App:
    """The application; it is used inside ``async with``. ``store``: a file or a URL."""
    return App("bank", Account, *projections, store=str(store), role=role)


async def caught_up(app: App, query: Query[Any], count: int) -> None:
    """Wait until a query can be answered that wants to know so many events."""
    await app.ask(query, after=Position(count), timeout=WAIT)


async def open_accounts(app: App, keys: Sequence[str]) -> None:
    """Open the accounts through commands, so that their states are hot."""
    await asyncio.gather(*(app.execute(OpenAccount(account_id=key, owner=OWNER)) for key in keys))


@contextmanager
def with_metadata() -> Generator[None]:
    """Records written inside carry metadata of the size that a command gives them."""
    token = set_metadata(METADATA)
    try:
        yield
    finally:
        reset_metadata(token)


async def fill(app: App, *, streams: int, events_each: int) -> None:
    """Fill the log with 150-byte events: big batches given to the engine, each stream one write."""
    engine, encode = app.store.engine, app.store.codec.encode
    for key in account_ids(streams):
        records = tuple(encode(OPENED, METADATA_JSON) for _ in range(events_each))
        await engine.append([Write(appends=(StreamAppend(stream_of(key), records, 0),))])


async def fill_interleaved(app: App, *, streams: int, events_each: int) -> int:
    """Fill the log with accounts whose events take turns, as they do in life; how many events there are.

    Each account is opened by one of a few owners, then money is deposited.
    """
    keys = account_ids(streams)
    for version in range(events_each):
        for start in range(0, streams, AT_ONCE):
            appends = tuple(
                StreamAppend(stream_of(key), (_numbered(app, number, version),), version)
                for number, key in enumerate(keys[start : start + AT_ONCE], start)
            )
            await app.store.engine.append([Write(appends=appends)])
    return streams * events_each


def owner_of(number: int) -> str:
    """Who owns the account with this number."""
    return f"{OWNER[:-1]}{number % OWNERS}"


def _numbered(app: App, number: int, version: int) -> NewRecord:
    event = MoneyDeposited(amount=AMOUNT) if version else AccountOpened(owner=owner_of(number), initial_balance=BALANCE)
    return app.store.codec.encode(event, METADATA_JSON)
