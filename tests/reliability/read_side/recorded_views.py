"""Projects a log into a views file whose every write is recorded, and has the power cut at all its moments.

Connections through the recording layer are apsw's, made to look like the driver's; sabotaged ones subclass them.
"""

import asyncio
import random
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from everfold import App, Projection
from everfold.clock import SystemClock
from everfold.engines.sqlite.database_file import DatabaseFile
from everfold.engines.sqlite.file_kind import VIEWS
from everfold.engines.sqlite.transactions import Transactions
from everfold.engines.statements import load_statements
from everfold.projections.build_consumer import BuildConsumer, build_up
from everfold.projections.build_writer import BuildWriter
from everfold.projections.builds import ACTIVE, create
from everfold.subscriptions.bookkeeping import prepare
from tests.reliability.power_loss.apsw_connection import ApswConnection, Values, through_apsw
from tests.reliability.power_loss.explorer import Recording
from tests.reliability.power_loss.recording_vfs import recording
from tests.reliability.power_loss.trace import Trace
from tests.reliability.read_side.ledger import EVENTS, projections
from tests.reliability.read_side.roles import History

__all__ = ["LaterCheckpoint", "LaterRows", "ViewsConnection", "make_log", "recorded"]

T = TypeVar("T")
SPAN = 9
ADVANCE = load_statements("everfold.subscriptions", "bookkeeping.sql")["advance"]


class ViewsConnection(ApswConnection):
    """Has what jobs of a read database need besides."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.cache: dict[Any, Any] = {}

    @property
    def total_changes(self) -> int:
        """How many rows were changed so far."""
        return int(self._apsw.total_changes())


class LaterCheckpoint(ViewsConnection):
    """Sabotage: commits the rows, and the checkpoint in a transaction of its own behind them."""

    def execute(self, sql: str, parameters: Values = ()) -> Any:
        if sql == ADVANCE:
            super().execute("COMMIT")
            super().execute("BEGIN IMMEDIATE")
        return super().execute(sql, parameters)


class LaterRows(ViewsConnection):
    """Sabotage: commits the checkpoint, and the rows behind it."""

    _owed: tuple[tuple[str, list[Values]], ...] = ()

    def executemany(self, sql: str, rows: Iterable[Values]) -> Any:
        self._owed = (*self._owed, (sql, list(rows)))

    def execute(self, sql: str, parameters: Values = ()) -> Any:
        cursor = super().execute(sql, parameters)
        if sql == "COMMIT" and self._owed:
            owed, self._owed = self._owed, ()
            super().execute("BEGIN IMMEDIATE")
            for statement, rows in owed:
                super().executemany(statement, rows)
            super().execute("COMMIT")
        return cursor


class Direct:
    """A read database without threads, for what is done one after the other."""

    dialect = "sqlite"

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def write(self, job: Callable[[Any], T]) -> T:
        """One transaction."""
        return self._transactions.run(job)

    async def read(self, job: Callable[[Any], T]) -> T:
        """What the writer sees."""
        return self.glance(job)

    def glance(self, job: Callable[[Any], T]) -> T:
        """The same."""
        return job(self._transactions.connection)


async def make_log(store: Path, *, count: int) -> None:
    """A log that has something for every projection, and an unlucky event."""
    history = History("views", unlucky=0.06)
    async with App("ledger", store=str(store), events=EVENTS) as app:
        happened = [history.next() for _ in range(count)]
        await asyncio.gather(*(app.store.append(stream, *events) for stream, events in happened))


def recorded(store: Path, *, kind: Callable[[str], ApswConnection] = ViewsConnection) -> Recording:
    """Project this log into a views file beside it, span by span, and now and then move the write-ahead log."""
    trace: Trace = []
    path = str(store.with_name(f"{store.stem}.views.db"))
    with recording(path, trace), through_apsw(kind):
        file = DatabaseFile(path, kind=VIEWS, lock_timeout=5.0, synchronous="normal", readers=0)
        file.open()
        try:
            asyncio.run(_project(store, file.transactions))
        finally:
            file.close()
    return Recording("1/views", trace)


async def _project(store: Path, transactions: Transactions) -> None:
    chance = random.Random(3)
    async with App("ledger", store=str(store), events=EVENTS) as app:
        engine, head = app.store.engine, await app.store.head()
        consumers = [await _begun(app, projection, transactions) for projection in projections()]
        for until in [*range(SPAN, head, SPAN), head]:
            for consumer in consumers:
                await build_up(engine, consumer, until=until)
            if chance.random() < 0.3:
                transactions.checkpoint(beyond=-1, long=chance.choice((0, 1_000)))


async def _begun(app: App, projection: type[Projection], transactions: Transactions) -> BuildConsumer:
    database, clock = Direct(transactions), SystemClock()
    await database.write(partial(prepare, dialect="sqlite"))

    def make(connection: Any) -> int:
        return create(connection, "sqlite", projection, "", ACTIVE, recorded=0).build

    writer = BuildWriter(projection, await database.write(make), dialect="sqlite", codec=app.store.codec, clock=clock)
    consumer = BuildConsumer(writer, database)
    await consumer.resume(0)
    return consumer
