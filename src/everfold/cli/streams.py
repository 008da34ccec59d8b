"""``everfold streams``: which streams there are, and one of them. Works without the application."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import click

from everfold.cli.app_option import app_option
from everfold.cli.command_group import Group
from everfold.cli.output import json_option, note, quiet_option, show, show_json, table
from everfold.cli.store_option import choose_store, open_store, store_option

if TYPE_CHECKING:
    from everfold.log.catalogue import StreamInfo
    from everfold.log.record import Record

__all__ = ["streams"]

LIST_SHAPE = """\
With --json: one object per line.

\b
  {"stream": "account-a1", "version": 3, "position": 17}
"""
SHOW_SHAPE = """\
With --json: one object; "first" and "last" have the shape of `everfold events show --json`.

\b
  {"stream": "account-a1", "category": "account", "key": "a1", "version": 3, "position": 17,
   "first": {...}, "last": {...}}
"""


@click.group(cls=Group, short_help="Look at streams: list, show.")
def streams() -> None:
    """Look at streams: all of them, or one."""


@streams.command("list", epilog=LIST_SHAPE)
@click.option("--category", help="Only streams of this category, as in account.")
@click.option("--prefix", default="", help="Only streams whose name begins like this, as in account-a.")
@click.option("--after", default="", metavar="STREAM", help="Begin behind this name.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@json_option
@store_option
@app_option
@quiet_option
def list_streams(
    category: str | None,
    prefix: str,
    after: str,
    limit: int,
    as_json: bool,
    store: str | None,
    app_name: str | None,
) -> None:
    """The streams in order of their names, with version and position of their newest event."""
    if category and prefix:
        raise click.UsageError("Give --category or --prefix: a category is the prefix up to the first dash.")
    url = choose_store(store, app_name)
    if category:
        from everfold.identifiers import check_category

        prefix = f"{check_category(category)}-"

    async def work() -> list[StreamInfo]:
        async with open_store(url) as opened:
            return list(await opened.streams(prefix=prefix, after=after, limit=limit + 1))

    found = asyncio.run(work())
    page = found[:limit]
    if as_json:
        for info in page:
            show_json(info)
    elif page:
        rows = [(info.stream, info.version, info.position) for info in page]
        show("\n".join(table(("stream", "version", "position"), rows)))
    else:
        note("No stream fits.")
    if len(found) > limit:
        note(f"There are more: --after {page[-1].stream}")


@streams.command("show", epilog=SHOW_SHAPE)
@click.argument("stream")
@click.option("-n", "--lines", type=click.IntRange(0), default=10, show_default=True, help="How many newest events.")
@json_option
@store_option
@app_option
@quiet_option
def show_stream(stream: str, lines: int, as_json: bool, store: str | None, app_name: str | None) -> None:
    """One stream: its length, when it began, and its newest events."""
    from everfold.identifiers import check_stream

    check_stream(stream)
    url = choose_store(store, app_name)

    async def work() -> tuple[StreamInfo, Record, list[Record]]:
        from everfold.cli.lookup import find_stream

        async with open_store(url) as opened:
            info = await find_stream(opened, stream)
            (first,) = await opened.engine.read_stream(stream, limit=1)
            newest = await opened.engine.read_stream(stream, limit=max(lines, 1), backwards=True)
            return info, first, list(reversed(newest))

    info, first, newest = asyncio.run(work())
    if as_json:
        show_json(_stream_json(info, first, newest[-1]))
    else:
        _show_stream(info, first, newest[len(newest) - min(lines, len(newest)) :])


def _stream_json(info: StreamInfo, first: Record, last: Record) -> dict[str, Any]:
    from everfold.cli.record_text import record_json

    return {
        "stream": info.stream,
        "category": first.category,
        "key": first.key,
        "version": last.version,
        "position": last.position,
        "first": record_json(first),
        "last": record_json(last),
    }


def _show_stream(info: StreamInfo, first: Record, newest: list[Record]) -> None:
    from everfold.cli.record_text import RecordLines, time_text

    show(f"{click.style(info.stream, fg='cyan')}  version {info.version}, since {time_text(first.time)}")
    lines = RecordLines()
    if newest:
        show()
    for record in newest:
        show(lines.line(record))
    if newest and newest[0].version > 1:
        note(f"\nFrom the beginning: everfold events read --stream {info.stream}")
