"""How an app is at the moment, looked up for each scrape: its log, what follows it, its files. Used by ``metrics``."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from everfold.app.application import App
from everfold.engines.sqlite.read_database import views_path
from everfold.errors import EverfoldError
from everfold.log.engine import Engine
from everfold.log.selection import EVERYTHING
from everfold.subscriptions.bookkeeping import execute
from everfold.subscriptions.lease import Leases

__all__ = ["Looked", "SubscriptionState", "look"]

LOOK_SECONDS = 5.0
MICROS = 1_000_000
TABLE_BYTES = """
SELECT coalesce(sum(bytes) FILTER (WHERE is_log), 0), coalesce(sum(bytes) FILTER (WHERE NOT is_log), 0) FROM (
    SELECT c.relname = 'events' OR c.relname LIKE 'everfold\\_%' AS is_log, pg_total_relation_size(c.oid) AS bytes
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname = current_schema() AND c.relkind = 'r') AS tables
"""


class SubscriptionState(msgspec.Struct, frozen=True, kw_only=True):
    """How one projection or consumer is."""

    name: str
    position: int
    lag_events: int
    lag_seconds: float
    dead_letters: int
    waiting: int
    is_paused: bool
    is_attended: bool
    progress: float | None
    """Of the tables that are being built to take the place of those that are read."""


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """How the app is. ``head`` None: it could not be read."""

    head: int | None = None
    subscriptions: Sequence[SubscriptionState] = ()
    file_bytes: Mapping[str, int] = {}
    free_bytes: int | None = None


async def look(app: App) -> Looked:
    """Look, without changing anything; what cannot be told in time is left out."""
    try:
        async with asyncio.timeout(LOOK_SECONDS):
            return await _look(app)
    except (TimeoutError, EverfoldError):
        return Looked()


async def _look(app: App) -> Looked:
    engine = app.store.engine
    head = int(await engine.wait(-1))
    subscriptions = [*await _projections(app, engine), *await _consumers(app, engine)]
    sizes, free = await _tables(engine) if engine.views.dialect == "postgresql" else _files(engine)
    return Looked(head=head, subscriptions=subscriptions, file_bytes=sizes, free_bytes=free)


async def _projections(app: App, engine: Engine) -> list[SubscriptionState]:
    found: list[SubscriptionState] = []
    for status in await app.projections.statuses():
        if status.mode == "live":
            continue  # nothing of it is kept, so that it can neither lag nor fail
        building = None if status.building is None else status.building / max(status.head, 1)
        found.append(
            SubscriptionState(
                name=status.name,
                position=status.position,
                lag_events=status.lag,
                lag_seconds=await _age(app, engine, status.position, status.lag),
                dead_letters=status.parked,
                waiting=status.waiting,
                is_paused=status.paused is not None,
                is_attended=status.mode != "async" or status.runner is not None,
                progress=building,
            )
        )
    return found


async def _consumers(app: App, engine: Engine) -> list[SubscriptionState]:
    found: list[SubscriptionState] = []
    if not app.consumers.names():
        return found
    leases = Leases(engine.beside, owner="", seconds=1, clock=app.clock)
    parked = await _parked(engine)
    for status in await app.consumers.statuses():
        holders = [await leases.holder(f"consumer {status.name} {n} of {status.parts}") for n in range(status.parts)]
        now = app.clock.micros()
        found.append(
            SubscriptionState(
                name=status.name,
                position=status.position,
                lag_events=status.lag,
                lag_seconds=await _age(app, engine, status.position, status.lag),
                dead_letters=parked.get((status.name, "parked"), 0),
                waiting=parked.get((status.name, "waiting"), 0),
                is_paused=status.paused is not None,
                is_attended=all(holder is not None and holder.expires > now for holder in holders),
                progress=None,
            )
        )
    return found


async def _parked(engine: Engine) -> Mapping[tuple[str, str], int]:
    """How many events consumers have set aside, by consumer and by whether they failed or wait behind one."""
    database = engine.beside
    counted = await database.read(lambda c: execute(c, database.dialect, "count_parked").fetchall())
    found: Counter[tuple[str, str]] = Counter()
    for name, _, state, count in counted:
        found[name, state] += count
    return found


async def _age(app: App, engine: Engine, position: int, lag: int) -> float:
    """The age of the first record after a position, in seconds."""
    first = await engine.read(EVERYTHING, after=position, limit=1) if lag else ()
    return max(app.clock.micros() - first[0].recorded, 0) / MICROS if first else 0.0


async def _tables(engine: Engine) -> tuple[dict[str, int], int | None]:
    """The sizes of the tables of the store's schema; what room the server has, it does not tell."""
    (log, views), *_ = await engine.views.read(lambda connection: connection.execute(TABLE_BYTES).fetchall())
    return {"log": int(log), "views": int(views)}, None


def _files(engine: Engine) -> tuple[dict[str, int], int | None]:
    """The sizes of the files of a store that has some, and the room beside them."""
    path = getattr(engine, "path", None)
    if not isinstance(path, str):
        return {}, None
    sizes: dict[str, int] = {}
    for name, file in (("log", path), ("wal", f"{path}-wal"), ("views", views_path(path))):
        with suppress(OSError):
            sizes[name] = Path(file).stat().st_size
    return sizes, shutil.disk_usage(Path(path).parent).free
