"""Work: events per second when a projection catches up with a log, all in one PostgreSQL database.

Two shapes, as in ``catch_up``: a row per event that is put, and a row per stream that is changed in place; here of
100,000 events of 5,000 accounts that take turns. Timed from the start of the application until a query that wants to
know everything is answered.

everfold: batches, each one transaction that is synced a moment after its commit, for it can be built again. Raw:
pages of 1,000 fetched from everfold's table, decoded, and written by ``unnest``; rows are kept in a dict. Peer: its
projection runner from its log into its view, a durable transaction for each event, with a twentieth of the events.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from functools import partial

import msgspec

from benchmarks.catch_up import PAGE, TIMEOUT, account_of, amount_of, key_of
from benchmarks.everfold_side import bank, caught_up, fill_interleaved
from benchmarks.payload import account_ids
from benchmarks.peer_views import PeerAccounts, PeerMovements, PeerProjection, fill_in_turn
from benchmarks.postgres.database import Database, database
from benchmarks.postgres.peer import peer_bank, peer_runner
from benchmarks.postgres.raw import RawStore, statement
from benchmarks.raw_side import Row
from benchmarks.read_models import Accounts, CountMovements, GetAccount, Movements
from benchmarks.report import Table, at_least, compare
from benchmarks.turns import Bench, Sample, Stopwatch, in_turns
from everfold import Projection, Query

__all__ = ["measure"]

Rows = Sequence[tuple[object, ...]]


class Shape(msgspec.Struct, frozen=True):
    """What is projected on each side."""

    name: str
    projection: type[Projection]
    query: Query[object]
    raw: str
    raw_values: Callable[[], Callable[[Sequence[Row]], Rows]]
    peer: type[PeerProjection]


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """A table for each shape."""
    streams, peer_streams = bench.count(5_000, quick=5), bench.count(250, quick=5)
    events_each = bench.count(20, quick=4)
    with database() as place, place.new_schema() as schema, place.new_schema() as peer_schema:
        with peer_bank(place, peer_schema) as peer:
            fill_in_turn(peer, streams=peer_streams, events_each=events_each)
        async with bank(place.url(schema)) as app:
            count = await fill_interleaved(app, streams=streams, events_each=events_each)
        place.settle()
        for shape in SHAPES:
            sides: dict[str, Sample] = {
                "everfold": partial(_everfold, place, schema, shape, count),
                "raw pages and unnest": partial(_raw, place, schema, shape, count),
                "peer": partial(_peer, place, peer_schema, shape, peer_streams * events_each),
            }
            work = f"catch-up of {count:,} events on {place.title}, {shape.name}"
            samples = await in_turns(work, sides, bench)
            yield compare(work, "events/s", samples, targets={"peer": at_least(25)})


async def _everfold(place: Database, schema: str, shape: Shape, count: int) -> list[float]:
    with place.only_now(schema):
        async with AsyncExitStack() as stack:
            with Stopwatch() as watch:
                app = await stack.enter_async_context(bank(place.url(schema), shape.projection))
                await caught_up(app, shape.query, count)
    return watch.rate(count)


async def _raw(place: Database, schema: str, shape: Shape, count: int) -> list[float]:
    with place.new_schema() as view_schema:
        log = RawStore(place, schema, is_new=False)
        view = place.connect()
        view.execute(statement(f"create_{shape.raw}", view_schema))
        put, values = statement(f"put_{shape.raw}", view_schema), shape.raw_values()
        seen = 0
        with Stopwatch() as watch:
            for rows in log.pages(PAGE):
                view.execute(put, [list(column) for column in zip(*values(rows), strict=True)], prepare=True)
                seen += len(rows)
        assert seen == count
        log.close()
        view.close()
    return watch.rate(count)


def _movements() -> Callable[[Sequence[Row]], Rows]:
    return lambda rows: [(row[0], key_of(row), amount_of(row)) for row in rows]


def _accounts() -> Callable[[Sequence[Row]], Rows]:
    accounts: dict[str, tuple[str, str, int]] = {}

    def values(rows: Sequence[Row]) -> Rows:
        touched: dict[str, tuple[str, str, int]] = {}
        for row in rows:
            account = account_of(row, accounts)
            accounts[account[0]] = touched[account[0]] = account
        return list(touched.values())

    return values


async def _peer(place: Database, schema: str, shape: Shape, count: int) -> list[float]:
    with place.new_schema() as view_schema, ExitStack() as stack:  # noqa: SIM117 (what the stack leaves is not timed)
        with Stopwatch() as watch:
            runner = stack.enter_context(peer_runner(place, schema, view_schema, shape.peer))
            runner.wait(count, timeout=TIMEOUT)
    return watch.rate(count)


SHAPES = (
    Shape("a row per event", Movements, CountMovements(), "movements", _movements, PeerMovements),
    Shape("a row per stream", Accounts, GetAccount(account_id=account_ids(1)[0]), "accounts", _accounts, PeerAccounts),
)
