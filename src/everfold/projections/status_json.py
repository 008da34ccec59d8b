"""The status of a projection as JSON, the same for every face: how far behind it is, and what it does, in a few words.

Used by cli and http.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from everfold.clock import from_micros
from everfold.log.selection import EVERYTHING

if TYPE_CHECKING:  # the command line starts without the read side
    from everfold.log.engine import LogEngine
    from everfold.projections.operations import ProjectionStatus

__all__ = ["Lag", "StatusJson", "lag_of", "state_of", "status_json"]

MICROS = 1_000_000


class Lag(msgspec.Struct, frozen=True):
    """How far a projection is behind."""

    events: int
    seconds: float
    """How long ago the oldest event was recorded that it has not dealt with."""


class StatusJson(msgspec.Struct, frozen=True, kw_only=True):
    """The JSON shape of a status. Stable: fields are only ever added."""

    name: str
    mode: str
    """``async``, ``inline`` or ``live``."""
    state: str
    """What it is doing, in a few words."""
    position: int
    head: int
    """The head of the log."""
    lag: int
    """How many records of the log it has not dealt with."""
    parked: int
    """Events that it has given up on."""
    waiting: int
    """Events that wait behind them."""
    paused: str | None
    """Why it waits."""
    problem: str | None
    build: int | None
    """Which build is read."""
    building: int | None
    """How far the one is that will take its place."""
    runner: str | None
    """Which process runs it."""
    moved: datetime | None
    """When it last moved."""
    lag_seconds: float
    """The age of the oldest event that it has not dealt with."""


async def lag_of(engine: LogEngine, status: ProjectionStatus, now: int) -> Lag:
    """How far it is behind. ``now``: in microseconds since 1970 UTC."""
    if not status.lag:
        return Lag(0, 0.0)
    first = await engine.read(EVERYTHING, after=status.position, limit=1)
    return Lag(status.lag, max(now - first[0].recorded, 0) / MICROS if first else 0.0)


def state_of(status: ProjectionStatus) -> str:
    """What it is doing, in a few words."""
    if status.mode == "inline" and status.paused is None and status.state == "not running":
        if status.build is None:
            return "not built yet"
        return "behind until the app runs" if status.lag else "written by every append"
    if status.build is None and status.mode == "async" and status.runner is None:
        return "never run"
    return status.state


def status_json(status: ProjectionStatus, lag: Lag) -> StatusJson:
    """The status as a JSON object."""
    facts: dict[str, Any] = msgspec.structs.asdict(status) | {
        "state": state_of(status),
        "lag_seconds": round(lag.seconds, 3),
        "moved": None if status.moved is None else from_micros(status.moved),
    }
    return StatusJson(**facts)
