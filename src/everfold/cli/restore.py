"""``everfold restore``: a store again from an exported file. Works without the application."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING

import click

from everfold.cli.app_option import app_option
from everfold.cli.output import json_option, quiet_option, show, show_json
from everfold.cli.rate_bar import rate_bar, rate_text
from everfold.cli.store_option import choose_store, shown_store, store_option, store_to_make

if TYPE_CHECKING:
    from everfold.migration.restore import RestoreReport

__all__ = ["restore"]

SHAPE = """\
With --json: one object; "records_before" is what an interrupted run had stored.

\b
  {"file": "bank.jsonl.gz", "head": 4000, "records_before": 0, "records": 4000, "replies": 12,
   "checkpoints": 2, "seconds": 0.3}
"""


@click.command(short_help="Make a store again from an exported file.", epilog=SHAPE)
@click.argument("file")
@json_option
@store_option
@app_option
@quiet_option
def restore(file: str, as_json: bool, store: str | None, app_name: str | None) -> None:
    """Store what `everfold export` wrote to FILE into a new store, with the same positions, versions, ids and times.

    `-` is standard input. A damaged file is refused. Run again after an interruption, it continues. A file exported
    with --after goes into the store that ends there.
    """
    url = choose_store(store, app_name)
    started = time.perf_counter()
    report = asyncio.run(_restore(url, file))
    seconds = time.perf_counter() - started
    if as_json:
        import msgspec

        show_json({"file": file, **msgspec.structs.asdict(report), "seconds": round(seconds, 3)})
        return
    before = f" behind {report.records_before:,} that were there" if report.records_before else ""
    count = rate_text(report.records, seconds, "events")
    show(
        f"{shown_store(url)}: {count}{before}, {report.replies:,} replies, {report.checkpoints:,} checkpoints; "
        f"it ends at position {report.head:,}"
    )


async def _restore(url: str, file: str) -> RestoreReport:
    from everfold.clock import SystemClock
    from everfold.codec.pipeline import Codec
    from everfold.engines.connect import connect
    from everfold.identifiers import IdSource
    from everfold.migration.restore import restore_store
    from everfold.store.committer import Committer
    from everfold.store.event_store import EventStore

    engine = connect(store_to_make(url))
    await engine.open()
    try:
        opened = EventStore(engine, Codec((), new_id=IdSource(SystemClock().micros).next), Committer(engine))
        with rate_bar("restoring", "events") as advance:
            reached = 0

            def progress(position: int, head: int) -> None:
                nonlocal reached
                advance(position - reached, position / head)
                reached = position

            return await restore_store(opened, sys.stdin.buffer if file == "-" else file, progress=progress)
    finally:
        await engine.close()
