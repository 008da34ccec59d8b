"""Keeps projections up to date while a command needs them, where no other process does it. Used by ``query``."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from everfold.cli.rate_bar import rate_bar
from everfold.cli.read_side import async_projections, is_run, read_side_tools

if TYPE_CHECKING:
    from everfold.app.application import App

__all__ = ["keep_up", "wait_for"]

LOOK_SECONDS = 0.02


@asynccontextmanager
async def keep_up(app: App, names: Sequence[str], position: int | None) -> AsyncGenerator[None]:
    """Run those of these projections that nobody runs, and nothing else of the app, while the block lasts.

    ``position``: only those that are not there yet; None: all of them, because more events may come.

    The app runs without projections of its own (role="server"), so that its other projections, and its consumers,
    which may send mails, stay where they are.
    """
    from everfold.projections.read_side import ReadSide

    statuses = [await app.projections.status(name) for name in names]
    due = [each for each in statuses if position is None or each.build is None or each.position < position]
    unattended = [status.name for status in due if not is_run(status) and status.paused is None]
    side = ReadSide(async_projections(app, unattended), read_side_tools(app, app.store.engine, runs=True))
    await side.start()
    try:
        yield
    finally:
        await side.stop()


async def wait_for(app: App, names: Sequence[str], position: int) -> None:
    """Wait until the projections are at this position, with a bar; also ends when one does not move any more.

    Asking tells then what is the matter.
    """
    settings = app.settings().values
    patience = settings.read_timeout + settings.lease_seconds
    for name in names:
        with rate_bar(f"bringing {name} up to date", "events") as advance:
            reached, seen, since = 0, None, time.monotonic()
            while True:
                status = await app.projections.status(name)
                advance(status.position - reached, status.position / position if position else 1.0)
                reached = status.position
                if status.build is not None and (status.position >= position or status.paused is not None):
                    break
                if (moved := (status.build, status.position, status.building)) != seen:
                    seen, since = moved, time.monotonic()
                elif time.monotonic() - since > patience:
                    break
                await asyncio.sleep(LOOK_SECONDS)
