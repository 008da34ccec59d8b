"""An open store: its connections and the threads that work with them. Used by the engine and by read databases."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from hashlib import sha256
from typing import TypeVar

import psycopg

from everfold.clock import Clock
from everfold.engines.driver_errors import sqlstate
from everfold.engines.postgres.connection import Connector, HeldConnection, Link, send
from everfold.engines.postgres.failures import infrastructure_error, is_lost, translate
from everfold.engines.postgres.reader import Reader, quoted
from everfold.engines.postgres.schema import upgrade
from everfold.engines.postgres.store_url import StoreUrl
from everfold.engines.postgres.stream_loads import StreamLoads
from everfold.engines.postgres.transactions import Limits, Transactions
from everfold.engines.postgres.writer import Writer
from everfold.engines.worker import Worker
from everfold.engines.worker_pool import WorkerPool
from everfold.errors import StoreError, StoreReadOnly

__all__ = ["OpenStore", "open_store"]

T = TypeVar("T")
PATIENCE_SECONDS = 15.0
"""How long a restart or a failover of the server may take before callers are told of it."""
READ_ONLY = "25006"


class OpenStore:
    """Started by ``open_store``, ended by ``close``."""

    def __init__(self, url: StoreUrl, connector: Connector, *, clock: Clock, lock_timeout: float, readers: int) -> None:
        self.connector = connector
        self.listening = connector.past_pooler(url.direct)
        self.reader = Reader(url.schema)
        self.channel = channel_of(url.schema)
        path = f"SET LOCAL search_path={quoted(url.schema)},public;SET LOCAL TimeZone='UTC';"
        self._looking = f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;{path}"
        self._links = [Link(connector, patience=PATIENCE_SECONDS) for _ in range(readers + 2)]
        log, views, *reading = self._links
        limits = Limits(lock_timeout)
        closing = f"COMMIT;NOTIFY {quoted(self.channel)}"
        transactions = Transactions(log, shown=url.shown, limits=limits, opening=path, closing=closing)
        later = f"{path}SET LOCAL synchronous_commit=off;"
        self.views = Transactions(views, shown=url.shown, limits=limits, opening=later)
        self.writer = Writer(transactions, self.reader, clock=clock)
        self.writer_thread = Worker("everfold-postgres-writer")
        self.views_thread = Worker("everfold-postgres-views")
        self.readers = WorkerPool(reading, name="everfold-postgres-reader")
        self.loads = StreamLoads(self.ask, self.reader)

    async def ask(self, job: Callable[[HeldConnection], T]) -> T:
        """Read with one of the connections, each statement for itself."""
        try:
            return await self.readers.do(partial(self._read, job))
        except (psycopg.Error, UnicodeEncodeError) as error:
            if isinstance(error, psycopg.Error) and error.sqlstate:
                raise translate(error, self.connector.shown) from error
            raise StoreError(f"{self.connector.shown}: this cannot be looked for: {error}.") from error  # NUL

    async def look(self, job: Callable[[HeldConnection], T]) -> T:
        """Read on one consistent view of what is committed, with a connection that cannot write."""
        return await self.readers.do(partial(self._read, partial(self._look, job)))

    def _read(self, job: Callable[[HeldConnection], T], link: Link) -> T:
        """What only reads is begun once more when the connection is lost meanwhile."""
        try:
            try:
                return job(link.use())
            except psycopg.OperationalError as error:
                if not is_lost(error):
                    raise
                link.drop()
                return job(link.use())
        except Exception as error:
            if found := infrastructure_error(error):
                raise translate(found, self.connector.shown) from error
            raise

    def _look(self, job: Callable[[HeldConnection], T], connection: HeldConnection) -> T:
        send(connection, self._looking)
        try:
            return job(connection)
        except Exception as error:
            if sqlstate(error) == READ_ONLY:
                raise StoreReadOnly("A job that only reads tried to write. Give it to write(...) instead.") from error
            raise
        finally:
            if not connection.closed:
                send(connection, "ROLLBACK")

    async def close(self) -> None:
        """Finish the transactions and pages under way, stop the threads, close the connections."""
        for link in self._links:
            link.is_closing = True
        with ExitStack() as stack:
            for thread in (self.writer_thread, self.views_thread):
                stack.callback(thread.stop)
            for link in self._links:
                stack.callback(link.close)
            await self.readers.close()
            await asyncio.gather(*(thread.do(_nothing) for thread in (self.writer_thread, self.views_thread)))


def _nothing() -> None:
    """What a thread has done when everything before it is."""


async def open_store(url: StoreUrl, *, clock: Clock, lock_timeout: float, readers: int) -> OpenStore:
    """Connect, upgrade the schema, and start the threads. A failure leaves nothing open."""
    connector = await asyncio.to_thread(_prepare, url, lock_timeout)
    return OpenStore(url, connector, clock=clock, lock_timeout=lock_timeout, readers=readers)


def _prepare(url: StoreUrl, lock_timeout: float) -> Connector:
    connector = Connector(url.conninfo, shown=url.shown)
    connection = connector.connect()
    try:
        connector.look_for_pooler(connection)
        upgrade(connection, url.schema, url.shown, patience=lock_timeout)
    finally:
        connection.close()
    return connector


def channel_of(schema: str) -> str:
    """The name under which commits to this schema are told: of at most 63 bytes, and nobody else's."""
    return f"everfold_{sha256(schema.encode()).hexdigest()[:32]}"
