"""``everfold state``: the state of one aggregate, now or at any time before, and what changed between two times."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from everfold.cli.app_option import app_option, find_app
from everfold.cli.output import json_option, note, printable, quiet_option, show, show_json
from everfold.cli.places import STATE_PLACE
from everfold.cli.store_option import app_store, engine_to_read, store_option
from everfold.cli.suggestions import did_you_mean
from everfold.errors import NotFound
from everfold.identifiers import Position, Version

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.domain.aggregate import Aggregate
    from everfold.store.boundary import Tools

__all__ = ["state"]

Place = Version | Position | datetime | str
SHAPE = """\
\b
PLACE is one of
  3                       a version of the stream (0: before its first event)
  @120                    a position in the log
  2030-01-31T12:00Z       a date and time, with its zone
  now                     the newest state

\b
With --json: one object.
  {"aggregate": "Account", "category": "account", "key": "a1", "stream": "account-a1",
   "version": 3, "position": 17, "time": "2030-01-31T12:00:00.000000Z", "state": {...}}
With --json --diff: {"before": <such an object>, "after": <such an object>, "changes":
  [{"path": "balance", "change": "changed", "before": 1, "after": 2}]}; change: added, removed, changed
"""


@click.command(short_help="An aggregate, now or at any time.", epilog=SHAPE)
@click.argument("name")
@click.argument("key")
@click.option("--at", "at", type=STATE_PLACE, metavar="PLACE", help="At this place instead of now.")
@click.option("--diff", "diff", type=STATE_PLACE, nargs=2, metavar="PLACE PLACE", help="What changed between the two.")
@json_option
@store_option
@app_option
@quiet_option
def state(
    name: str,
    key: str,
    at: Place | None,
    diff: tuple[Place, Place] | None,
    as_json: bool,
    store: str | None,
    app_name: str | None,
) -> None:
    """The state of the aggregate NAME (its category or class) with this KEY, folded from its events.

    For example: everfold state account a1 --at 3
    """
    if at is not None and diff:
        raise click.UsageError("Give --at or --diff, not both.")
    app = find_app(app_name)
    cls = _aggregate(app, name)
    places = diff or (at,)
    found = asyncio.run(_load_all(app, store, cls, key, places))
    if as_json:
        show_json(_diff_json(*found) if diff else found[0])
    elif diff:
        _show_diff(*found)
    else:
        _show_state(found[0])


def _aggregate(app: App, name: str) -> type[Aggregate]:
    by_category = app.aggregates()
    by_class = {cls.__name__: cls for cls in by_category.values()}
    found = by_category.get(name) or by_class.get(name)
    if found is None:
        hint = did_you_mean(name, (*by_category, *by_class)).strip()
        raise NotFound("aggregate", name, hint or f"The app {app.name!r} has {', '.join(by_category) or 'none'}.")
    return found


async def _load_all(
    app: App, store: str | None, cls: type[Aggregate], key: str, places: tuple[Place | None, ...]
) -> list[dict[str, Any]]:
    engine = engine_to_read(app_store(app, store))
    await engine.open()
    try:
        tools = _tools(app, engine)
        return [await _load(cls, key, place, tools) for place in places]
    finally:
        await engine.close()


def _tools(app: App, engine: Any) -> Tools:
    """What loading needs, without starting the app: looking has no side effects."""
    from everfold.store.boundary import Tools
    from everfold.store.cache import HotStates
    from everfold.store.committer import Committer
    from everfold.store.event_store import EventStore

    codec = app.codec()
    events = EventStore(engine, codec, Committer(engine))
    return Tools(events=events, codec=codec, hot=HotStates(0), clock=app.clock, snapshotters={}, is_checked=False)


async def _load(cls: type[Aggregate], key: str, place: Place | None, tools: Tools) -> dict[str, Any]:
    import msgspec

    from everfold.cli.lookup import similar_stream
    from everfold.clock import from_micros
    from everfold.identifiers import stream_name
    from everfold.store.time_travel import Loaded, load_at

    category = cls.__everfold__.category
    stream = stream_name(category, key)
    if isinstance(place, Version) and place == 0:
        loaded = Loaded(cls(), 0, 0, 0)
    else:
        at = None if isinstance(place, str) else place
        try:
            loaded = await load_at(cls, key, at, tools)
        except NotFound as error:
            if await tools.events.engine.read_stream(stream, limit=1):
                raise
            hint = await similar_stream(tools.events, stream)
            raise NotFound(error.what, error.key, hint) from error
    return {
        "aggregate": cls.__name__,
        "category": category,
        "key": key,
        "stream": stream,
        "version": loaded.version,
        "position": loaded.position,
        "time": from_micros(loaded.recorded) if loaded.version else None,
        "state": msgspec.to_builtins(loaded.state),
    }


def _diff_json(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    from everfold.cli.differences import changes

    return {"before": before, "after": after, "changes": list(changes(before["state"], after["state"]))}


def _show_state(found: dict[str, Any]) -> None:
    from everfold.cli.differences import json_text

    show(_heading(found))
    width = max((len(field) for field in found["state"]), default=0)
    for field, value in found["state"].items():
        show(f"  {click.style(field.ljust(width), dim=True)}  {printable(json_text(value))}")
    note(f"\nIts events: everfold events read --stream {found['stream']}")


def _show_diff(before: dict[str, Any], after: dict[str, Any]) -> None:
    from everfold.cli.differences import changes

    show(f"from {_heading(before)}")
    show(f"to   {_heading(after)}")
    colours = {"+": "green", "-": "red", "~": "yellow"}
    lines = [line for change in changes(before["state"], after["state"]) for line in change.lines()]
    for line in lines:
        show(f"  {click.style(line[0], fg=colours[line[0]])} {printable(line[2:])}")
    if not lines:
        note("  Nothing changed.")


def _heading(found: dict[str, Any]) -> str:
    from everfold.cli.record_text import time_text

    name = click.style(f"{found['aggregate']} {found['key']}", bold=True)
    if not found["version"]:
        return f"{name}  before its first event"
    return f"{name}  version {found['version']}, position {found['position']}, {time_text(found['time'])}"
