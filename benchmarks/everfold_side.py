"""everfold's side: the accounts example on an SQLite file, with default settings."""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.payload import METADATA, METADATA_JSON, OPENED, OWNER, account_ids, stream_of
from everfold import App
from everfold.codec.metadata import reset_metadata, set_metadata
from everfold.log.write import StreamAppend, Write
from examples.accounts.domain import Account, OpenAccount

__all__ = ["bank", "fill", "open_accounts", "with_metadata"]


def bank(path: Path) -> App:
    """The application; it is used inside ``async with``."""
    return App("bank", Account, store=str(path))


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
