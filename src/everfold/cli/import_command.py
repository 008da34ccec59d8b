"""``everfold import``: legacy rows become events, by a mapping of the application's own."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from everfold.cli.app_option import app_option, find_app
from everfold.cli.failures import INTERRUPTED
from everfold.cli.found_store import find_store
from everfold.cli.named_object import find_object
from everfold.cli.output import json_option, note, printable, quiet_option, show, show_json, table
from everfold.cli.rate_bar import rate_bar, rate_text
from everfold.cli.store_option import app_store
from everfold.errors import ConfigurationError

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.log.engine import Engine
    from everfold.migration.import_report import ImportProgress, ImportReport, Rejection
    from everfold.migration.mapping import Import
    from everfold.store.event_store import EventStore

__all__ = ["import_history"]

SHAPE = """\
With --json: one object; the counts are of this run, except "rows_before".

\b
  {"name": "retail", "source": "invoices.csv.gz", "is_dry_run": false, "rows_before": 0, "rows": 5000,
   "events": 5000, "events_by_type": {"line-invoiced": 5000}, "rejected": 0, "rejections": [], "seconds": 1.2}

\b
A line of --rejects, and of "rejections", which has the first 100:
  {"row": 17, "line": 18, "field": "Quantity", "problem": "...", "fields": {...}}
"""


@click.command("import", short_help="Import legacy rows as events.", epilog=SHAPE)
@click.argument("named", metavar="MODULE:IMPORT")
@click.argument("source", required=False)
@click.option("--dry-run", is_flag=True, help="Read, map and encode everything, store nothing, report what would be.")
@click.option("--skip-bad-rows", is_flag=True, help="Pass over rows that cannot be mapped or stored, for good.")
@click.option("--rejects", type=click.Path(path_type=Path), help="Append the bad rows to this JSON Lines file.")
@json_option
@app_option
@quiet_option
def import_history(
    named: str,
    source: str | None,
    dry_run: bool,
    skip_bad_rows: bool,
    rejects: Path | None,
    as_json: bool,
    app_name: str | None,
) -> None:
    """Import what the Import object MODULE:IMPORT describes, from its own source or from SOURCE (a path or URL).

    The events go into the store that the app has, as its own would. Stop it or kill it at any time: run again, it goes
    on where it stopped, and new rows at the end of the source are imported. No row is ever imported twice.
    """
    if rejects and not skip_bad_rows:
        raise click.UsageError("--rejects is for bad rows that are passed over: give --skip-bad-rows too.")
    app = find_app(app_name)
    imported = _found(named, source)
    started = time.perf_counter()
    report, reached = asyncio.run(_import(app, imported, is_dry=dry_run, skips=skip_bad_rows, rejects=rejects))
    if report is None:
        note(f"Stopped. The rows up to {reached:,} are imported; run it again, and it continues there.")
        sys.exit(INTERRUPTED)
    _show(report, time.perf_counter() - started, as_json=as_json)


def _found(named: str, source: str | None) -> Import:
    import msgspec

    from everfold.migration.mapping import Import

    found = find_object(named, Import, "an import", example="shop.old:orders")
    return msgspec.structs.replace(found, source=found.source.at(source)) if source else found


async def _import(
    app: App, imported: Import, *, is_dry: bool, skips: bool, rejects: Path | None
) -> tuple[ImportReport | None, int]:
    """The report, or None when a signal came first; and the last row that is imported."""
    from everfold.cli.interruption import until_interrupted
    from everfold.migration.imports import imported_rows, run_import

    reports: list[ImportReport] = []
    async with _to_try(app) if is_dry else _to_fill(app) as store:
        with _rejects(rejects) as rejected, rate_bar("importing", "rows") as advance:

            async def work() -> None:
                report = await run_import(
                    store,
                    imported,
                    progress=_progress(advance),
                    dry_run=is_dry,
                    on_error="skip" if skips else "stop",
                    rejected=rejected,
                )
                reports.append(report)

            await until_interrupted(work())
        return (reports[0] if reports else None), await imported_rows(store, imported.name)


@asynccontextmanager
async def _to_fill(app: App) -> AsyncGenerator[EventStore]:
    """The store of the app while it runs, so that its inline read models are filled too."""
    async with app:
        yield app.store


@asynccontextmanager
async def _to_try(app: App) -> AsyncGenerator[EventStore]:
    """The store of the app, to look into; an empty one in memory where there is none. The app is not started."""
    from everfold.engines.connect import connect
    from everfold.store.committer import Committer
    from everfold.store.event_store import EventStore

    engine = app.engine or _existing(app_store(app)) or connect("memory:")
    await engine.open()
    try:
        yield EventStore(engine, app.codec(), Committer(engine))
    finally:
        await engine.close()


def _existing(url: str) -> Engine | None:
    if url.startswith("memory:"):
        return None
    found = find_store(url)
    return None if found.missing() else found.engine


def _progress(advance: Callable[[int, float | None], None]) -> Callable[[ImportProgress], None]:
    row = 0

    def told(progress: ImportProgress) -> None:
        nonlocal row
        advance(progress.row - row, progress.share)
        row = progress.row

    return told


@contextmanager
def _rejects(path: Path | None) -> Generator[Callable[[Rejection], None] | None]:
    if path is None:
        yield None
        return
    import msgspec

    encode = msgspec.json.Encoder(enc_hook=str).encode
    try:
        file = path.open("ab", buffering=0)
    except OSError as error:
        raise ConfigurationError(f"--rejects {path} cannot be written: {error.strerror}.") from error
    with file:

        def write(rejection: Rejection) -> None:
            file.write(encode(rejection) + b"\n")

        yield write


def _show(report: ImportReport, seconds: float, *, as_json: bool) -> None:
    import msgspec

    if as_json:
        show_json({**msgspec.to_builtins(report), "seconds": round(seconds, 3)})
        return
    verb = "would be imported" if report.is_dry_run else "imported"
    show(f"{click.style(report.name, bold=True)}: {verb} from {report.source}")
    before = f", behind {report.rows_before:,} of earlier runs" if report.rows_before else ""
    show(f"  {rate_text(report.rows, seconds, 'new rows')}{before}")
    if report.events_by_type:
        rows = sorted(report.events_by_type.items())
        for line in table(("event", "count"), rows):
            show(f"  {line}")
    for rejection in report.rejections[:10]:
        place = f"line {rejection.line}" if rejection.line else f"row {rejection.row}"
        field = f", field {rejection.field!r}" if rejection.field else ""
        note(printable(f"  passed over {place}{field}: {rejection.problem}"))
    if report.rejected:
        show(f"  {report.rejected:,} bad rows were passed over")
