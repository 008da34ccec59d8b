"""``everfold events``: the records of the log, as they are stored. Works without the application."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from everfold.cli.app_option import app_option
from everfold.cli.command_group import Group
from everfold.cli.output import json_option, note, quiet_option, show, show_json
from everfold.cli.places import LOG_PLACE, resolve_place
from everfold.cli.selection_options import make_selection, selection_options
from everfold.cli.store_option import choose_store, open_store, store_option

if TYPE_CHECKING:
    from everfold.log.record import Record
    from everfold.log.selection import Selection
    from everfold.store.event_store import EventStore

__all__ = ["events"]

SHAPE = """\
\b
  {"position": 1, "stream": "account-a1", "version": 1, "type": "account-opened",
   "schema_version": 1, "id": "<uuid>", "time": "2030-01-31T12:00:00.000000Z",
   "data": {...}, "metadata": {...}, "tags": [...]}
"""


@click.group(cls=Group, short_help="Look at events: tail, read, show.")
def events() -> None:
    """Look at events: the newest, some of them, or one."""


@events.command(epilog=f"With --json: one object per line.\n\n{SHAPE}")
@selection_options
@click.option("--after", type=LOG_PLACE, metavar="PLACE", help="Begin behind this position or ISO date and time.")
@click.option("-n", "--lines", type=click.IntRange(0), default=20, show_default=True, help="How many of the newest.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is recorded from now on, until Ctrl-C.")
@json_option
@store_option
@app_option
@quiet_option
def tail(
    after: int | datetime | None,
    lines: int,
    follow: bool,
    as_json: bool,
    store: str | None,
    app_name: str | None,
    **filters: Any,
) -> None:
    """The newest events, oldest of them first; with -f also those to come."""
    selection, url = make_selection(**filters), choose_store(store, app_name)

    async def work() -> None:
        from everfold.cli.interruption import until_interrupted

        async with open_store(url) as opened:
            write = _writer(as_json=as_json)
            head = int(await opened.head())
            if after is None:
                for record in reversed(await _newest(opened, selection, until=head, limit=lines)):
                    write(record)
            else:
                start = await resolve_place(opened, after) or 0
                await _write_span(opened, selection, write, after=start, until=head)
                head = max(head, start)
            sys.stdout.flush()
            if follow:
                await until_interrupted(_follow(opened, selection, write, after=head))

    asyncio.run(work())


async def _newest(store: EventStore, selection: Selection, *, until: int, limit: int) -> list[Record]:
    return [record async for record in store.records(selection, until=until, backwards=True, limit=limit)]


async def _write_span(
    store: EventStore, selection: Selection, write: Callable[[Record], None], *, after: int, until: int
) -> None:
    async for record in store.records(selection, after=after, until=until):
        write(record)


async def _follow(store: EventStore, selection: Selection, write: Callable[[Record], None], *, after: int) -> None:
    while True:
        head = await store.engine.wait(after)
        await _write_span(store, selection, write, after=after, until=head)
        sys.stdout.flush()
        after = head


@events.command(epilog=f"With --json: one object per line.\n\n{SHAPE}")
@selection_options
@click.option("--after", type=LOG_PLACE, metavar="PLACE", help="Only behind this position or ISO date and time.")
@click.option("--until", type=LOG_PLACE, metavar="PLACE", help="Only up to this position or ISO date and time.")
@click.option("--limit", type=click.IntRange(1), help="At most so many; all by default.")
@click.option("--backwards", is_flag=True, help="The newest first.")
@json_option
@store_option
@app_option
@quiet_option
def read(
    after: int | datetime | None,
    until: int | datetime | None,
    limit: int | None,
    backwards: bool,
    as_json: bool,
    store: str | None,
    app_name: str | None,
    **filters: Any,
) -> None:
    """All events, or those you select, in the order of the log."""
    selection, url = make_selection(**filters), choose_store(store, app_name)

    async def work() -> None:
        async with open_store(url) as opened:
            write = _writer(as_json=as_json)
            start, end = await resolve_place(opened, after) or 0, await resolve_place(opened, until)
            count = 0
            async for record in opened.records(selection, after=start, until=end, backwards=backwards, limit=limit):
                write(record)
                count += 1
            if not count:
                await _explain_nothing(opened, selection)

    asyncio.run(work())


async def _explain_nothing(store: EventStore, selection: Selection) -> None:
    """Nothing was found: a misspelt stream is an error, everything else a remark."""
    from everfold.cli.lookup import find_stream

    if selection.stream:
        await find_stream(store, selection.stream)
    note("No event fits.")


@events.command("show", epilog=f"With --json: one object.\n\n{SHAPE}")
@click.argument("place", metavar="POSITION|ID")
@json_option
@store_option
@app_option
@quiet_option
def show_event(place: str, as_json: bool, store: str | None, app_name: str | None) -> None:
    """Everything about one event, found by its position or its id."""
    url = choose_store(store, app_name)

    async def work() -> Record:
        from everfold.cli.lookup import find_record

        async with open_store(url) as opened:
            return await find_record(opened, place)

    from everfold.cli.record_text import record_json, record_page

    record = asyncio.run(work())
    if as_json:
        show_json(record_json(record))
    else:
        show(record_page(record))
        note(f"\nIts stream: everfold events read --stream {record.stream}")


def _writer(*, as_json: bool) -> Callable[[Record], None]:
    """Writes a record to standard output, through its buffer: a log may be long."""
    import msgspec

    from everfold.cli.record_text import RecordLines, record_json

    encode, lines, out = msgspec.json.Encoder().encode, RecordLines(), sys.stdout

    def write(record: Record) -> None:
        out.write((encode(record_json(record)).decode() if as_json else lines.line(record)) + "\n")

    return write
