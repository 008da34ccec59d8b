"""``everfold export``: a whole store into one file. Works without the application."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import click

from everfold.cli.app_option import app_option
from everfold.cli.output import json_option, note, quiet_option, show, show_json
from everfold.cli.rate_bar import rate_bar, rate_text
from everfold.cli.store_option import choose_store, open_store, store_option
from everfold.errors import ConfigurationError

if TYPE_CHECKING:
    from everfold.migration.export import ExportReport

__all__ = ["export"]

SHAPE = """\
With --json: one object.

\b
  {"file": "bank.jsonl.gz", "after": 0, "head": 4000, "records": 4000, "replies": 12, "checkpoints": 2,
   "sha256": "<hex>", "seconds": 0.3}
"""


@click.command(short_help="Write a whole store to one file.", epilog=SHAPE)
@click.argument("file")
@click.option("--after", type=click.IntRange(0), default=0, metavar="POSITION", help="Only what came behind this.")
@json_option
@store_option
@app_option
@quiet_option
def export(file: str, after: int, as_json: bool, store: str | None, app_name: str | None) -> None:
    """Write all records, idempotency replies and checkpoints to FILE, as JSON Lines, for `everfold restore`.

    Compressed when FILE ends in .gz; `-` is standard output. It is the store at the moment of the command, whoever
    goes on writing. A file that exists is not overwritten.
    """
    url = choose_store(store, app_name)
    started = time.perf_counter()
    report = asyncio.run(_export(url, file, after))
    seconds = time.perf_counter() - started
    if file == "-":
        note(_text(report, seconds))
    elif as_json:
        import msgspec

        show_json({"file": file, **msgspec.structs.asdict(report), "seconds": round(seconds, 3)})
    else:
        show(f"{file}: {_text(report, seconds)}")


async def _export(url: str, file: str, after: int) -> ExportReport:
    from everfold.migration.export import export_store

    async with open_store(url) as opened:
        with rate_bar("exporting", "events") as advance:
            reached = after

            def progress(position: int, head: int) -> None:
                nonlocal reached
                advance(position - reached, (position - after) / (head - after))
                reached = position

            if file == "-":
                return await export_store(opened, sys.stdout.buffer, after=after, progress=progress)
            try:
                return await export_store(opened, file, after=after, progress=progress)
            except OSError as error:
                raise ConfigurationError(f"{file} cannot be written: {error.strerror or error}.") from error


def _text(report: ExportReport, seconds: float) -> str:
    span = f"positions {report.after + 1:,} to {report.head:,}, " if report.records else ""
    count = rate_text(report.records, seconds, "events")
    return f"{span}{count}, {report.replies:,} replies, {report.checkpoints:,} checkpoints"
