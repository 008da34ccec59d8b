"""Work: events per second when a log of 200,000 is read from beginning to end, in pages of 1,000.

everfold: ``EventStore.read`` (typed events with their envelopes, one by one), ``EventStore.read_pages`` (the same, a
list at a time, as bulk work reads them), and ``EventStore.pages`` (records, not decoded).
Raw, on everfold's file: all columns fetched page by page, decoded, and put into a small envelope struct; and the same
without decoding. Peer: its recorder's notifications, in pages of 1,000 as well, through its mapper.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import partial

import msgspec

from benchmarks.everfold_side import bank, fill
from benchmarks.payload import OPENED_TYPE
from benchmarks.peer_side import PeerBank, peer_bank
from benchmarks.peer_side import fill as fill_peer
from benchmarks.raw_side import STATEMENTS, Row, connect
from benchmarks.report import Table, Target, at_least, compare
from benchmarks.turns import Bench, Sample, Stopwatch, in_turns
from everfold import App
from examples.accounts.domain import AccountOpened

__all__ = ["PAGE", "Pages", "measure", "tables"]

PAGE = 1_000
DECODERS = {OPENED_TYPE: msgspec.json.Decoder(AccountOpened).decode}


class Envelope(msgspec.Struct, frozen=True, gc=False):
    """A row as a typed value, with its event."""

    event: object
    position: int
    stream: str
    version: int
    type: str
    schema_version: int
    id: str
    recorded: int
    data: str
    metadata_json: str


Pages = Callable[[], Iterator[list[Row]]]
"""All rows as the bare driver fetches them, in pages."""
TARGETS = {"raw pages, decoded, in an envelope": at_least(0.75), "peer": at_least(4)}


async def measure(bench: Bench) -> AsyncIterator[Table]:
    """Three tables: typed events one by one, typed events page by page, and records as they are stored."""
    streams = bench.count(200, quick=2)
    events_each = bench.count(1_000, quick=50)
    with bench.new_file() as path, bench.new_file() as peer_path:
        async with bank(path) as app:
            await fill(app, streams=streams, events_each=events_each)
            connection, peer = connect(path), peer_bank(peer_path)
            fill_peer(peer, streams=streams, events_each=events_each)
            async for table in tables(bench, "read", app, partial(_raw_pages, connection), peer, targets=TARGETS):
                yield table
            connection.close()
            peer.close()


async def tables(
    bench: Bench, name: str, app: App, pages: Pages, peer: PeerBank, *, targets: Mapping[str, Target]
) -> AsyncIterator[Table]:
    """The three tables, of logs that are filled."""
    count = await app.store.head()
    typed: dict[str, Sample] = {
        "one by one": partial(_everfold_typed, app, count),
        "page by page": partial(_everfold_typed_pages, app, count),
    }
    for how, ours in typed.items():
        sides: dict[str, Sample] = {
            "everfold": ours,
            "raw pages, decoded, in an envelope": partial(_raw_typed, pages, count),
            "peer": partial(_peer, peer, count),
        }
        work = f"{name} of {count:,} events, typed, {how}"
        yield compare(work, "events/s", await in_turns(work, sides, bench), targets=targets)
    sides = {
        "everfold": partial(_everfold_stored, app, count),
        "raw pages, in an envelope": partial(_raw_stored, pages, count),
    }
    work = f"{name} of {count:,} records, as stored"
    yield compare(work, "records/s", await in_turns(work, sides, bench), targets={})


async def _everfold_typed(app: App, count: int) -> list[float]:
    seen = 0
    with Stopwatch() as watch:
        async for _event, _record in app.store.read():
            seen += 1
    assert seen == count
    return watch.rate(count)


async def _everfold_typed_pages(app: App, count: int) -> list[float]:
    seen = 0
    with Stopwatch() as watch:
        async for pairs in app.store.read_pages():
            for _event, _record in pairs:
                seen += 1
    assert seen == count
    return watch.rate(count)


async def _everfold_stored(app: App, count: int) -> list[float]:
    seen = 0
    with Stopwatch() as watch:
        async for page in app.store.pages():
            seen += len(page)
    assert seen == count
    return watch.rate(count)


def _raw_pages(connection: sqlite3.Connection) -> Iterator[list[Row]]:
    after = 0
    stretch = {"until": 2**63 - 1, "limit": PAGE}
    while rows := connection.execute(STATEMENTS["read_log_forwards"], {"after": after, **stretch}).fetchall():
        yield rows
        after = rows[-1][0]


async def _raw_typed(pages: Pages, count: int) -> list[float]:
    seen = 0
    with Stopwatch() as watch:
        for rows in pages():
            seen += len([Envelope(DECODERS[row[3]](row[7]), *row[:9]) for row in rows])
    assert seen == count
    return watch.rate(count)


async def _raw_stored(pages: Pages, count: int) -> list[float]:
    seen = 0
    with Stopwatch() as watch:
        for rows in pages():
            seen += len([Envelope(None, *row[:9]) for row in rows])
    assert seen == count
    return watch.rate(count)


async def _peer(peer: PeerBank, count: int) -> list[float]:
    seen, start = 0, 1
    with Stopwatch() as watch:
        while page := peer.recorder.select_notifications(start=start, limit=PAGE):
            for notification in page:
                peer.mapper.to_domain_event(notification)
                seen += 1
            start = page[-1].id + 1
    assert seen == count
    return watch.rate(count)
