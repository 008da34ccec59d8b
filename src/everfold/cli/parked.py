"""``everfold parked``: the events that projections gave up on. Look, mend, try again, or skip."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar

import click

from everfold.cli.app_option import app_option, find_app
from everfold.cli.command_group import Group
from everfold.cli.failures import CHECK_FAILED, OK
from everfold.cli.operator_name import operator_name
from everfold.cli.output import json_option, note, printable, quiet_option, show, show_json, table
from everfold.cli.read_side import open_read_side
from everfold.cli.store_option import store_option
from everfold.errors import NotFound

if TYPE_CHECKING:
    from everfold.log.record import Record
    from everfold.projections.operations import Operations
    from everfold.projections.parking import Retried
    from everfold.subscriptions.bookkeeping import Parked

__all__ = ["parked"]

F = TypeVar("F", bound=Callable[..., Any])
EXAMPLES = """\
\b
For example:
  everfold parked list
  everfold parked show account-summaries 17
  everfold parked edit account-summaries 17 --data '{"amount": 12}' --reason "sent in euros"
  everfold parked retry account-summaries account-a1
"""
LIST_SHAPE = """\
With --json: one object per line.

\b
  {"projection": "account-summaries", "position": 17, "stream": "account-a1", "type": "money-deposited",
   "attempts": 6, "error": "ValueError: ...", "parked": "2030-01-31T12:00:00Z"}
"""
SHOW_SHAPE = """\
With --json: one object: that of `parked list`, with "traceback", "event" (as in `everfold events show --json`)
and "waiting": [{"position": 18, "type": "money-deposited"}] (the first 200 behind it).
"""
RETRY_SHAPE = """\
Exit code 3 when an event failed again.

\b
With --json: one object.
  {"projection": "account-summaries", "applied": 3, "still_parked": [{"position", "stream", "error"}]}
"""


@click.group(cls=Group, epilog=EXAMPLES, short_help="Events set aside: list, show, retry, skip, edit.")
def parked() -> None:
    """Deal with events that a projection kept failing on. They are set aside; later events of their stream wait.

    The record in the log never changes. What is decided here is kept with its reason, and also holds for rebuilds.
    """


@parked.command("list", epilog=LIST_SHAPE)
@click.argument("name", required=False)
@json_option
@store_option
@app_option
@quiet_option
def list_parked(name: str | None, as_json: bool, store: str | None, app_name: str | None) -> None:
    """The events that projections, or the projection NAME, gave up on."""

    async def work() -> list[Parked]:
        async with open_read_side(find_app(app_name), store) as opened:
            return await opened.operations.parked(name)

    found = asyncio.run(work())
    if as_json:
        for each in found:
            show_json(_facts(each))
    elif found:
        heads = ("projection", "position", "stream", "type", "attempts", "error")
        rows = [(p.name, p.position, p.stream, p.type, p.attempts, _first_line(p.error)) for p in found]
        show("\n".join(table(heads, rows)))
        note(f"\nWhy: everfold parked show {found[0].name} {found[0].position}")
    else:
        note("No event is set aside.")


@parked.command("show", epilog=SHOW_SHAPE)
@click.argument("name")
@click.argument("position", type=click.IntRange(1))
@json_option
@store_option
@app_option
@quiet_option
def show_parked(name: str, position: int, as_json: bool, store: str | None, app_name: str | None) -> None:
    """Everything about an event that the projection NAME gave up on: why, the event, and what waits behind it."""

    async def work() -> tuple[Parked, Record, list[Parked]]:
        from everfold.log.selection import EVERYTHING

        async with open_read_side(find_app(app_name), store) as opened:
            found = await _find(opened.operations, name, position)
            (record,) = await opened.engine.read(EVERYTHING, after=position - 1, limit=1)
            stream = await opened.operations.behind(name, found.stream)
            return found, record, [each for each in stream if each.position > position]

    found, record, waiting = asyncio.run(work())
    if as_json:
        from everfold.cli.record_text import record_json

        behind = [{"position": each.position, "type": each.type} for each in waiting]
        extra = {"traceback": found.traceback, "event": record_json(record), "waiting": behind}
        show_json(_facts(found) | extra)
    else:
        for line in _page(found, record, waiting):
            show(line)
        note(
            f"\nTry it again:        everfold parked retry {name} {found.stream}\n"
            f"With other fields:   everfold parked edit {name} {position} --data JSON --reason TEXT\n"
            f"Do without it:       everfold parked skip {name} {position} --reason TEXT"
        )


async def _find(operations: Operations, name: str, position: int) -> Parked:
    found = await operations.parked(name)
    for each in found:
        if each.position == position:
            return each
    places = ", ".join(str(each.position) for each in found[:20])
    hint = f"{name} has set aside those at {places}." if found else f"{name} has set none aside."
    raise NotFound("event set aside at position", str(position), hint)


def _page(found: Parked, record: Record, waiting: list[Parked]) -> Iterator[str]:
    from everfold.cli.record_text import record_page, time_text
    from everfold.clock import from_micros

    times = (
        f"{found.attempts} {'time' if found.attempts == 1 else 'times'}, last {time_text(from_micros(found.parked))}"
    )
    yield f"{click.style(found.name, bold=True)} failed on position {found.position}, {times}"
    yield ""
    for line in found.traceback.rstrip().split("\n"):
        yield f"  {printable(line)}"
    yield ""
    yield record_page(record)
    yield ""
    if not waiting:
        yield "Nothing waits behind it."
        return
    many = "at least " if len(waiting) >= 199 else ""
    yield f"{many}{len(waiting)} later {'event waits' if len(waiting) == 1 else 'events wait'} behind it:"
    for each in waiting[:10]:
        yield f"  {each.position:>8}  {printable(each.type)}"
    if len(waiting) > 10:
        yield "       ..."


@parked.command(epilog=RETRY_SHAPE)
@click.argument("name")
@click.argument("stream", required=False)
@click.option("--all", "all_streams", is_flag=True, help="The events of every stream.")
@json_option
@store_option
@app_option
@quiet_option
def retry(
    name: str, stream: str | None, all_streams: bool, as_json: bool, store: str | None, app_name: str | None
) -> int:
    """Have the projection NAME try the events of STREAM again, in order, until one fails again.

    For example: everfold parked retry account-summaries account-a1
    """
    if bool(stream) == all_streams:
        raise click.UsageError("Give a STREAM, or --all.")

    async def work(operations: Operations) -> list[Retried]:
        found = await operations.parked(name)
        streams = list(dict.fromkeys(each.stream for each in found))
        if stream and stream not in streams:
            raise NotFound("stream with events set aside", stream, f"{name} has: {', '.join(streams[:20]) or 'none'}.")
        return [await operations.retry(name, each) for each in ([stream] if stream else streams)]

    return _tell(name, _operate(app_name, store, work), as_json=as_json)


def _decision(command: F) -> F:
    """``--reason`` and ``--actor``: who decided, and why."""
    actor = click.option("--actor", help="Who decides; by default the user of this machine.")
    return click.option("--reason", required=True, help="Why, for those who come after you.")(actor(command))


@parked.command(epilog=RETRY_SHAPE)
@click.argument("name")
@click.argument("position", type=click.IntRange(1))
@_decision
@json_option
@store_option
@app_option
@quiet_option
def skip(
    name: str,
    position: int,
    reason: str,
    actor: str | None,
    as_json: bool,
    store: str | None,
    app_name: str | None,
) -> int:
    """Have the projection NAME do without the event at POSITION for ever, then try those behind it.

    For example: everfold parked skip account-summaries 17 --reason "a test that went to production"
    """
    by = actor or operator_name()

    async def work(operations: Operations) -> list[Retried]:
        await _find(operations, name, position)
        return [await operations.skip(name, position, reason=reason, actor=by)]

    return _tell(name, _operate(app_name, store, work), as_json=as_json)


@parked.command(epilog=RETRY_SHAPE)
@click.argument("name")
@click.argument("position", type=click.IntRange(1))
@click.option("--data", required=True, metavar="JSON", help="All fields of the event, as a JSON object.")
@_decision
@json_option
@store_option
@app_option
@quiet_option
def edit(
    name: str,
    position: int,
    data: str,
    reason: str,
    actor: str | None,
    as_json: bool,
    store: str | None,
    app_name: str | None,
) -> int:
    """Give the projection NAME other fields for the event at POSITION, then try it and those behind it.

    The record stays as it is: only this projection sees the other fields, now and in rebuilds.

    For example: everfold parked edit account-summaries 17 --data '{"amount": 12}' --reason "sent in euros"
    """
    by = actor or operator_name()

    async def work(operations: Operations) -> list[Retried]:
        await _find(operations, name, position)
        return [await operations.substitute(name, position, data, reason=reason, actor=by)]

    return _tell(name, _operate(app_name, store, work), as_json=as_json)


def _operate(app_name: str | None, store: str | None, work: Callable[[Operations], Any]) -> list[Retried]:
    async def run() -> list[Retried]:
        async with open_read_side(find_app(app_name), store) as opened:
            found: list[Retried] = await work(opened.operations)
            return found

    return asyncio.run(run())


def _tell(name: str, found: list[Retried], *, as_json: bool) -> int:
    applied = sum(each.applied for each in found)
    failed = [each.still_parked for each in found if each.still_parked is not None]
    if as_json:
        still = [{"position": each.position, "stream": each.stream, "error": each.error} for each in failed]
        show_json({"projection": name, "applied": applied, "still_parked": still})
    else:
        show(f"{name}: {applied:,} {'event is' if applied == 1 else 'events are'} off the list.")
        for each in failed:
            show(printable(f"  position {each.position} of {each.stream} failed again: {_first_line(each.error)}"))
    return CHECK_FAILED if failed else OK


def _facts(found: Parked) -> dict[str, Any]:
    from msgspec.structs import asdict

    from everfold.projections.parked_json import parked_json

    return asdict(parked_json(found))


def _first_line(text: str) -> str:
    return text.partition("\n")[0]
