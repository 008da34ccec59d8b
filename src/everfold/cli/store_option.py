"""Which store a command means, and how it is opened to look into: never made, whatever is misspelt."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click

from everfold.cli.app_option import configured_app, find_app
from everfold.cli.found_store import find_store, stores_here
from everfold.errors import ConfigurationError, StoreUnavailable

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.log.engine import Engine
    from everfold.store.event_store import EventStore

__all__ = [
    "app_store",
    "choose_store",
    "engine_to_read",
    "open_store",
    "shown_store",
    "store_option",
    "store_to_make",
]

F = TypeVar("F", bound=Callable[..., Any])


def store_option(command: F) -> F:
    """``--store STORE``."""
    return click.option("--store", metavar="STORE", help="A file, or a URL such as postgresql://host/database.")(
        command
    )


def app_store(app: App, store: str | None = None) -> str:
    """The store that was given, or that the application uses when it runs: in PostgreSQL, with the app's schema."""
    if store is None and app.engine is not None:
        raise ConfigurationError(
            f"The app {app.name!r} brings an engine of its own, which only its own process can open. Give --store."
        )
    return _of_app(app, store or app.settings().values.store or f"{app.name}.db")


def _of_app(app: App, url: str) -> str:
    from everfold.engines.connect import is_postgres

    if not is_postgres(url):
        return url
    from everfold.engines.postgres.store_url import schema_named, with_schema

    return with_schema(url, schema_named(app.name))


def choose_store(store: str | None, app_name: str | None = None) -> str:
    """By the order everybody can rely on: the option, the app that was named, environment, settings file, the app."""
    from everfold.app.settings import load_settings

    if app_name and not store:
        return app_store(find_app(app_name))
    found = store or load_settings({}).values.store
    if found:
        return _known(found, app_name)
    if configured_app():
        return app_store(find_app(None))
    raise ConfigurationError(
        'No store is chosen. Give --store STORE or --app MODULE:NAME, set EVERFOLD_STORE, or write store = "..." in '
        f"everfold.toml.{stores_here()}"
    )


def _known(url: str, app_name: str | None) -> str:
    """The URL, with the schema of the app that is meant, where that matters."""
    from everfold.engines.connect import is_postgres

    is_app_known = is_postgres(url) and bool(app_name or configured_app())
    return _of_app(find_app(app_name), url) if is_app_known else url


def store_to_make(url: str) -> str:
    """The URL of a store that may be made. ConfigurationError when it does not say where."""
    from everfold.engines.connect import is_postgres

    if url.startswith("memory:"):
        raise ConfigurationError("A memory: store would be gone at once. Give --store STORE.")
    if is_postgres(url):
        from everfold.engines.postgres.store_url import StoreUrl

        if not StoreUrl.parse(url).is_schema_given:
            raise ConfigurationError(
                "The URL does not say which schema the store is to have. Give --app MODULE:NAME, for the one of this "
                "app, or add ?schema=NAME."
            )
    return url


def shown_store(url: str) -> str:
    """How a store is called where others may read it: without a password."""
    from everfold.engines.postgres.store_url import hidden

    return hidden(url)


def engine_to_read(url: str) -> Engine:
    """The engine of a store that exists, not yet open; StoreUnavailable when there is none."""
    found = find_store(url)
    missing = found.missing()
    if missing is not None:
        raise StoreUnavailable(missing)
    return found.engine


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
