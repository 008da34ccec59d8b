"""``everfold compare``: is a read model what the legacy table beside it says? For the time when both are kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import click

from everfold.cli.app_option import app_option, find_app
from everfold.cli.failures import CHECK_FAILED, OK
from everfold.cli.output import json_option, note, quiet_option, show, show_json
from everfold.cli.rate_bar import rate_bar, rate_text
from everfold.cli.store_option import app_store, engine_to_read, store_option

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.migration.compare import LegacyTable, ParallelRun

__all__ = ["compare"]

SHAPE = """\
Exit code: 0 only when they are equal, 3 when they differ, 1 when they cannot be compared.

\b
For example:
  everfold compare accounts.account_summary --legacy sqlite:///old.db --table accounts
      --column acct_no=account_id --ignore opened_on --tolerance balance=0.01
  everfold compare account_summary --legacy postgresql://host/bank
      --table "SELECT no AS account_id, cents / 100.0 AS balance FROM accounts"

\b
With --json: one object. At most 20 examples; "before" is the legacy row, "after" that of the read model.
  {"read_model": "account_summary", "position": 4000, "equal": false, "same": 9, "only_legacy": 0,
   "only_read_model": 0, "different": 1, "compared": ["account_id", "balance"], "not_compared": ["note"],
   "examples": [{"kind": "different", "key": ["a1"], "fields": ["balance"], "before": {...}, "after": {...}}]}
"""
KINDS = {"added": "only_read_model", "removed": "only_legacy", "changed": "different"}


@click.command(short_help="Compare a read model with a legacy table.", epilog=SHAPE)
@click.argument("named", metavar="PROJECTION.TABLE")
@click.option("--legacy", required=True, metavar="URL", help="The legacy database, as a SQLAlchemy URL.")
@click.option("--table", "query", required=True, metavar="NAME|SELECT", help="Its table, or a SELECT.")
@click.option(
    "--column", "columns", multiple=True, metavar="LEGACY=FIELD", help="The column of a field; again for more."
)
@click.option(
    "--key", multiple=True, metavar="FIELD", help="Match rows by this field; by default the read model's key."
)
@click.option("--ignore", "ignored", multiple=True, metavar="FIELD", help="Do not compare this field.")
@click.option(
    "--tolerance",
    "tolerances",
    multiple=True,
    metavar="[FIELD=]NUMBER",
    help="How far numbers may be apart, in general or for a field; for moments, in seconds.",
)
@json_option
@store_option
@app_option
@quiet_option
def compare(  # noqa: PLR0913, PLR0917 (its options)
    named: str,
    legacy: str,
    query: str,
    columns: tuple[str, ...],
    key: tuple[str, ...],
    ignored: tuple[str, ...],
    tolerances: tuple[str, ...],
    as_json: bool,
    store: str | None,
    app_name: str | None,
) -> int:
    """Compare every row of a read model with a legacy table that is kept beside it. Changes neither.

    Columns are taken for the field of the same name unless --column says otherwise. Where no process keeps the read
    model up to date, this one does it first.
    """
    from everfold.migration.compare import LegacyTable

    app = find_app(app_name)
    table = LegacyTable(
        database=legacy,
        query=query,
        columns=_pairs(columns),
        key=key,
        ignored=ignored,
        tolerance=_tolerances(tolerances, app, named),
    )
    started = time.perf_counter()
    position, found = asyncio.run(_compare(app, store, named, table))
    if as_json:
        show_json(_facts(position, found))
    else:
        _show(position, found, time.perf_counter() - started)
    return OK if found.is_same else CHECK_FAILED


def _pairs(given: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for each in given:
        column, is_given, field = each.partition("=")
        if not is_given or not column or not field:
            raise click.UsageError(f"--column {each}: write LEGACY=FIELD, as in acct_no=account_id.")
        found[column] = field
    return found


def _tolerances(given: Sequence[str], app: App, named: str) -> Mapping[str, float]:
    """By field: what was said of the field, else what was said of all."""
    from everfold.cli.read_model_rows import find_table

    projection, attribute = find_table(app, named)
    fields = projection.__everfold__.tables[attribute].__struct_fields__
    general: dict[str, float] = {}
    special: dict[str, float] = {}
    for each in given:
        field, _, number = each.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            raise click.UsageError(f"--tolerance {each}: {number!r} is no number.") from None
        if field and field not in fields:
            raise click.UsageError(f"--tolerance {each}: there is no field {field!r}. There is {', '.join(fields)}.")
        (special if field else general).update({field: value} if field else dict.fromkeys(fields, value))
    return general | special


async def _compare(app: App, store: str | None, named: str, table: LegacyTable) -> tuple[int, ParallelRun]:
    """The position that the read model had at least, and the comparison."""
    from everfold.cli.keep_up import keep_up, wait_for
    from everfold.cli.read_model_rows import ReadModelRows, find_table
    from everfold.migration.compare import compare_with_legacy

    projection, attribute = find_table(app, named)
    name, is_inline = projection.__everfold__.name, projection.__everfold__.mode == "inline"
    url = app_store(app, store)
    engine_to_read(url)  # refuses a store that does not exist
    async with app.replace(store=url, role="server") as running:
        head = int(await running.store.head())
        async with keep_up(running, [name], head):
            await wait_for(running, [name], head)
        position = (await running.projections.status(name)).position
        engine = running.store.engine
        rows = ReadModelRows(projection, attribute, engine.beside if is_inline else engine.views)
        with rate_bar("comparing", "legacy rows") as advance:
            return position, await compare_with_legacy(table, rows, progress=advance)


def _facts(position: int, found: ParallelRun) -> dict[str, object]:
    counts = found.difference
    return {
        "read_model": found.table,
        "position": position,
        "equal": found.is_same,
        "same": counts.same,
        "only_legacy": counts.removed,
        "only_read_model": counts.added,
        "different": counts.changed,
        "compared": found.compared,
        "not_compared": found.not_compared,
        "examples": [
            {
                "kind": KINDS[change.kind],
                "key": change.key,
                "fields": change.fields,
                "before": change.before,
                "after": change.after,
            }
            for change in counts.examples
        ],
    }


def _show(position: int, found: ParallelRun, seconds: float) -> None:
    from everfold.cli.difference_text import difference_lines

    counts = found.difference
    differing = counts.added + counts.removed + counts.changed
    verdict = click.style("equal", fg="green") if found.is_same else click.style(f"{differing:,} rows differ", fg="red")
    speed = rate_text(counts.same + differing, seconds, "rows")
    show(f"{found.table} at position {position:,} and the legacy table: {verdict} ({speed})")
    for line in difference_lines([counts], ("same", "only read model", "only legacy", "different")):
        show(line)
    note(f"  compared: {', '.join(found.compared)}")
    if found.not_compared:
        note(f"  not compared, because no field has their name: {', '.join(found.not_compared)}")
