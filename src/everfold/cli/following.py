"""What a running service tells while it runs: its projections' changes of state, and with ``--follow`` each record."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from everfold.cli.output import note, show

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.cli.read_side import Lag
    from everfold.projections.operations import ProjectionStatus

__all__ = ["telling"]

LOOK_SECONDS = 1.0
LOOK_CLOSELY_SECONDS = 0.25


@asynccontextmanager
async def telling(
    app: App, *, after: int, follows: bool, is_quiet: bool, when_failed: Callable[[], None]
) -> AsyncGenerator[None]:
    """Tell while the block runs. ``when_failed``: called when that is not possible any more, as when nobody reads."""
    tasks: list[asyncio.Task[None]] = []
    if follows:
        tasks.append(asyncio.create_task(_follow(app, after), name="everfold-run-follow"))
    if not is_quiet and app.parts.projections:
        tasks.append(
            asyncio.create_task(
                _watch_projections(app, LOOK_CLOSELY_SECONDS if follows else LOOK_SECONDS),
                name="everfold-run-projections",
            )
        )
    for task in tasks:
        task.add_done_callback(lambda done: None if done.cancelled() else when_failed())
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for error in ended:
        if isinstance(error, Exception):
            raise error


async def _follow(app: App, after: int) -> None:
    from everfold.cli.record_text import RecordLines

    lines = RecordLines()
    while True:
        head = await app.store.engine.wait(after)
        async for record in app.store.records(after=after, until=head):
            show(lines.line(record))
        sys.stdout.flush()
        after = head


async def _watch_projections(app: App, seconds: float) -> None:
    """Tell what each projection does, and how far it is behind, whenever that is something else than before."""
    from everfold.cli.read_side import lag_of, state_of
    from everfold.errors import StoreError

    told: dict[str, tuple[str, int]] = {}
    await asyncio.sleep(LOOK_CLOSELY_SECONDS)  # they are about to begin
    while True:
        try:
            for status in await app.projections.statuses():
                state = (state_of(status), status.parked)
                if state != told.get(status.name):
                    told[status.name] = state
                    note(_projection_text(status, await lag_of(app.store.engine, status, app.clock.micros())))
        except StoreError as error:
            note(f"The state of the projections cannot be told: {error}")
        await asyncio.sleep(seconds)


def _projection_text(status: ProjectionStatus, lag: Lag) -> str:
    from everfold.cli.read_side import behind_text, counted, state_of

    parked = f", {counted(status.parked)} set aside (everfold parked list)" if status.parked else ""
    problem = status.paused or status.problem
    return f"{status.name}: {state_of(status)}, {behind_text(lag)}{parked}" + (f": {problem}" if problem else "")
