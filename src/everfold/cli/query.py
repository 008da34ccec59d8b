"""``everfold query``: ask a query by its name. Brings what answers it up to date first, when nobody else does."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from everfold.cli.app_option import app_option, find_app
from everfold.cli.output import json_option, note, quiet_option, show, show_json, table
from everfold.cli.places import LOG_PLACE
from everfold.cli.store_option import app_store, engine_to_read, store_option
from everfold.cli.suggestions import did_you_mean
from everfold.errors import NotFound

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.identifiers import Position

__all__ = ["query"]

SHAPE = """\
\b
Values are text, numbers, true, false, ISO dates and times, or JSON for lists and objects.
  everfold query                                        which queries there are
  everfold query get-account account_id=a1
  everfold query accounts-of-owner owner=Ann limit=5 offset=5
  everfold query get-account account_id=a1 --as-of 2030-01-31T12:00Z
  everfold query get-account account_id=a1 --watch

\b
With --json: the answer on one line; of a page {"items", "total", "limit", "offset", "next_offset"}.
With --watch --json: one line for each answer. Without a NAME: {"name", "about", "fields", "reply"} of each query.
"""
Place = int | datetime


@click.command(short_help="Ask a query by its name.", epilog=SHAPE)
@click.argument("name", required=False)
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--as-of", type=LOG_PLACE, metavar="PLACE", help="As it was at this position or ISO date and time.")
@click.option("--after", type=click.IntRange(0), metavar="POSITION", help="It has to know everything up to here.")
@click.option("--watch", is_flag=True, help="Go on: the new answer whenever it changes, until Ctrl-C.")
@click.option("--actor", help="On whose behalf, for apps that authorize.")
@json_option
@store_option
@app_option
@quiet_option
def query(  # noqa: PLR0913, PLR0917 (its options)
    name: str | None,
    fields: tuple[str, ...],
    as_of: Place | None,
    after: int | None,
    watch: bool,
    actor: str | None,
    as_json: bool,
    store: str | None,
    app_name: str | None,
) -> None:
    """Ask the query NAME. The answer knows everything that was recorded before; --as-of asks for the past.

    When no process keeps the read model up to date, this one does until it has answered.
    """
    from everfold.cli.query_text import parse_query
    from everfold.codec.metadata import metadata

    app = find_app(app_name)
    if name is None:
        _show_queries(app, as_json=as_json)
        return
    if as_of is not None and (watch or after is not None):
        raise click.UsageError("--as-of asks for the past: give it without --watch and --after.")
    message = parse_query(_query_class(app, name), fields)
    with metadata(actor=actor):
        asyncio.run(_ask(app, store, message, as_of=as_of, after=after, watch=watch, as_json=as_json))


def _query_class(app: App, name: str) -> type[Any]:
    known = app.queries()
    if name not in known:
        there = f"The app {app.name!r} answers {', '.join(sorted(known)) or 'none'}."
        raise NotFound("query", name, f"{did_you_mean(name, known)} {there}".strip())
    return known[name]


def _show_queries(app: App, *, as_json: bool) -> None:
    from everfold.cli.describe import query_descriptions

    found = query_descriptions(app)
    if as_json:
        for each in found:
            show_json({name: each[name] for name in ("name", "about", "fields", "reply")})
    elif found:
        rows = [(each["name"], ", ".join(map(str, each["fields"])), each["reply"], each["about"]) for each in found]
        show("\n".join(table(("query", "fields", "answer", "about"), rows)))
    else:
        note(f"The app {app.name!r} answers no query.")


async def _ask(
    app: App, store: str | None, message: Any, *, as_of: Place | None, after: int | None, watch: bool, as_json: bool
) -> None:
    from everfold.cli.interruption import until_interrupted
    from everfold.identifiers import Position

    url = app_store(app, store)
    engine_to_read(url)  # refuses a store that does not exist
    async with app.replace(store=url, role="server") as running:
        if as_of is not None:
            place = as_of if isinstance(as_of, datetime) else Position(as_of)
            _show_answer(await running.ask(message, as_of=place), message, as_json=as_json)
            return
        async with _kept_up_to_date(running, message, after, always=watch) as wanted:
            if watch:
                await until_interrupted(_watch(running, message, wanted, as_json=as_json))
            else:
                _show_answer(await running.ask(message, after=wanted), message, as_json=as_json)


@asynccontextmanager
async def _kept_up_to_date(app: App, message: Any, after: int | None, *, always: bool) -> AsyncGenerator[Position]:
    """While it lasts, what answers the query is kept up to date, here if nobody else does it; where it has to be."""
    from everfold.cli.keep_up import keep_up, wait_for
    from everfold.identifiers import Position

    head = int(await app.store.head())
    names = _who_answers(app, message.__class__)
    wanted = head if after is None else min(after, head)
    async with keep_up(app, names, None if always else wanted):
        await wait_for(app, names, wanted)
        yield Position(head if after is None else after)


def _who_answers(app: App, cls: type) -> Sequence[str]:
    """The projections that the answer comes from. A function may ask any of them."""
    projection = app.parts.answers.get(cls)
    answering = app.parts.projections if projection is None else [projection]
    return [each.__everfold__.name for each in answering if each.__everfold__.mode != "live"]


async def _watch(app: App, message: Any, wanted: Position, *, as_json: bool) -> None:
    is_first = True
    async for answer in app.watch(message, after=wanted):
        if not is_first and not as_json:
            show()
        _show_answer(answer, message, as_json=as_json)
        sys.stdout.flush()
        is_first = False


def _show_answer(answer: Any, message: Any, *, as_json: bool) -> None:
    from everfold.cli.query_text import answer_json, answer_lines, page_hint

    if as_json:
        show_json(answer_json(answer))
        return
    lines = list(answer_lines(answer))
    for line in lines:
        show(line)
    hint = page_hint(answer, message)
    if hint is not None:
        note(hint)
    elif not lines:
        note("No row fits.")
