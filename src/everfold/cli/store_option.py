"""Which store a command means, and how it is opened to look into: never made, whatever is misspelt."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from everfold.cli.app_option import configured_app, find_app
from everfold.errors import ConfigurationError, StoreUnavailable

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.log.engine import Engine
    from everfold.store.event_store import EventStore

__all__ = ["app_store", "choose_store", "engine_to_read", "open_store", "store_option"]

F = TypeVar("F", bound=Callable[..., Any])


def store_option(command: F) -> F:
    """``--store FILE``."""
    return click.option("--store", metavar="FILE", help="The store: a file, or a URL such as sqlite:///bank.db.")(
        command
    )


def app_store(app: App) -> str:
    """The store that an application uses when it runs."""
    if app.engine is not None:
        raise ConfigurationError(
            f"The app {app.name!r} brings an engine of its own, which only its own process can open. Give --store."
        )
    return app.settings().values.store or f"{app.name}.db"


def choose_store(store: str | None, app_name: str | None = None) -> str:
    """By the order everybody can rely on: the option, the app that was named, environment, settings file, the app."""
    from everfold.app.settings import load_settings

    if store:
        return store
    if app_name:
        return app_store(find_app(app_name))
    configured = load_settings({}).values.store
    if configured:
        return configured
    if configured_app():
        return app_store(find_app(None))
    raise ConfigurationError(
        'No store is chosen. Give --store FILE or --app MODULE:NAME, set EVERFOLD_STORE, or write store = "..." in '
        f"everfold.toml.{_stores_here()}"
    )


def _stores_here() -> str:
    from everfold.engines.sqlite.connection import APPLICATION_ID

    mark = APPLICATION_ID.to_bytes(4, "big")
    found: list[str] = []
    for path in sorted(Path().glob("*.db"))[:100]:
        try:
            with path.open("rb") as file:
                found += [path.name] if file.read(72)[68:] == mark else []
        except OSError:
            continue
    return f" Stores in this folder: {', '.join(found[:5])}." if found else ""


def engine_to_read(url: str) -> Engine:
    """The engine of a store that exists, not yet open; StoreUnavailable when there is none."""
    from everfold.engines.connect import connect
    from everfold.engines.memory.engine import MemoryEngine
    from everfold.engines.sqlite.engine import SqliteEngine

    engine = connect(url)
    if isinstance(engine, MemoryEngine):
        raise ConfigurationError("A memory: store lives inside its own process: there is nothing to look into.")
    if isinstance(engine, SqliteEngine):
        path = Path(engine.path)
        if not path.exists():
            raise StoreUnavailable(f"There is no store {path}. Nothing was made; check the path.{_stores_here()}")
        if path.is_file() and not path.stat().st_size:
            raise StoreUnavailable(f"The file {path} is empty: it is no store yet. Nothing was made.")
    return engine


@asynccontextmanager
async def open_store(url: str) -> AsyncGenerator[EventStore]:
    """A store opened to look into, with records as they are stored: no application needed."""
    from everfold.clock import SystemClock
    from everfold.codec.pipeline import Codec
    from everfold.identifiers import IdSource
    from everfold.store.committer import Committer
    from everfold.store.event_store import EventStore

    engine = engine_to_read(url)
    await engine.open()
    try:
        codec = Codec((), new_id=IdSource(SystemClock().micros).next)
        yield EventStore(engine, codec, Committer(engine))
    finally:
        await engine.close()
