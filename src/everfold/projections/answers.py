"""Answers queries from a projection's tables, on one consistent view that is known to be fresh enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from everfold.clock import Clock
from everfold.domain.handlers import is_cached
from everfold.engines.sql_dialects import POSTGRESQL
from everfold.errors import EverfoldError, ReadModelBehind, ReadModelNotReady
from everfold.log.read_database import NotNow, ReadDatabase
from everfold.projections.answer_cache import AnswerCache
from everfold.projections.bound import Bound, sql_tables
from everfold.projections.builds import builds_of, readable
from everfold.projections.freshness import Freshness
from everfold.projections.glances import Glances
from everfold.projections.pace import MOMENT, Pace
from everfold.projections.projection import Projection
from everfold.projections.shared_reads import SHARED_MOMENT, SharedReads
from everfold.projections.wanted import Wanted
from everfold.subscriptions.bookkeeping import ConsumerRow, execute

__all__ = ["Answer", "Answers"]

T = TypeVar("T")

FIRST_LOOK, LONGEST_LOOK = 0.002, 0.05
"""Seconds between looks at a projection that another process moves."""


class Answer(msgspec.Struct, frozen=True):
    """What a query was answered, and from what."""

    value: Any
    build: int
    position: int
    """It knows everything up to here."""
    changed: int
    """The last position that changed the tables."""
    epoch: int = 0
    """How often they were changed otherwise: by an event that was retried, substituted or skipped."""

    @property
    def version(self) -> str:
        """Names what was read: another one whenever the tables have changed."""
        return f"{self.build}-{self.changed}-{self.epoch}"


class Answers:
    """Reads one projection. Each answer is made from one view of the database."""

    def __init__(
        self,
        projection: type[Projection],
        fingerprint: str,
        *,
        database: ReadDatabase,
        freshness: Freshness,
        clock: Clock,
        kept_answers: int,
    ) -> None:
        self.projection = projection
        self.name = projection.__everfold__.name
        self._fingerprint = fingerprint
        self._database = database
        self._freshness = freshness
        self._clock = clock
        # A trip to a server takes longer than an event loop should wait: there queries share a view, and not a glance.
        is_far = database.dialect == POSTGRESQL
        self._pace = Pace(SHARED_MOMENT if is_far else MOMENT)
        together = SharedReads if is_far else Glances
        self._together: Glances[ConsumerRow | None] | SharedReads[ConsumerRow | None] = together(
            database, self._pace, self._readable
        )
        self._cache = AnswerCache(kept_answers)

    async def ask(self, function: Callable[..., Any], query: object, wanted: Wanted) -> Answer:
        """The answer, once the tables know what is wanted. Raises ReadModelBehind, ReadModelNotReady, NotFound."""
        deadline = self._clock.monotonic() + wanted.timeout
        pause = FIRST_LOOK
        while True:
            found = await self._read(
                function, lambda connection, row: self._look(connection, row, function, query, wanted)
            )
            if isinstance(found, Answer):
                return found
            left = deadline - self._clock.monotonic()
            if found is None and (left <= 0 or not wanted.position):
                raise self._not_ready()
            if found is not None and (left <= 0 or found.paused is not None):
                raise self._behind(found, wanted)
            if not await self._freshness.change(min(left, pause)):
                pause = min(pause * 2, LONGEST_LOOK)

    async def row(self) -> ConsumerRow | None:
        """The build that is read now."""
        return await self._read(self._readable, lambda _, row: row)

    async def _read(self, function: object, job: Callable[[Any, ConsumerRow | None], T]) -> T:
        """Together with others if that is quick, else for itself. The job is given the build to read from."""
        if self._pace.is_quick(function):
            try:
                return await self._together.look(function, job)
            except NotNow:
                pass
        return await self._database.read(lambda connection: job(connection, self._readable(connection)))

    def _readable(self, connection: Any) -> ConsumerRow | None:
        return readable(builds_of(connection, self._database.dialect, self.name), self._fingerprint)

    def _look(
        self,
        connection: Any,
        row: ConsumerRow | None,
        function: Callable[..., Any],
        query: object,
        wanted: Wanted,
    ) -> Answer | ConsumerRow | None:
        if row is None or row.position < wanted.position:
            return row
        if wanted.stream is not None:
            self._check_parked(connection, row, wanted)
        if is_cached(function):
            version = (row.build, row.changed, row.epoch)
            value = self._cache.get(query, version, lambda: self._answer(connection, row, function, query))
        else:
            value = self._answer(connection, row, function, query)
        return Answer(value, row.build, row.position, row.changed, row.epoch)

    def _check_parked(self, connection: Any, row: ConsumerRow, wanted: Wanted) -> None:
        values = {"name": row.name, "build": row.build, "stream": wanted.stream, "limit": 1}
        parked = execute(connection, self._database.dialect, "read_parked_stream", **values).fetchone()
        if parked is not None and parked[2] <= wanted.position:
            why = f"an event of the stream {wanted.stream!r} was set aside (everfold parked list)."
            raise ReadModelBehind(self.name, wanted=wanted.position, reached=parked[2] - 1, why=why)

    def _answer(self, connection: Any, row: ConsumerRow, function: Callable[..., Any], query: object) -> Any:
        bound = self._bound(connection, row.build)
        try:
            return bound.answer(function, query)
        except EverfoldError:
            raise
        except Exception as error:
            if row.fingerprint == self._fingerprint:
                raise
            raise ReadModelNotReady(
                f"The read models of {self.name!r} are being built anew, and their old shape cannot answer this query "
                f"({type(error).__name__}: {error}). Ask again when `everfold projections status` says that it is done."
            ) from error
        finally:
            bound.forget()

    def _bound(self, connection: Any, build: int) -> Bound:
        """Made once for each connection, on which one job is done at a time."""
        bound: Bound | None = connection.cache.get((self.projection, build))
        if bound is None:
            tables = sql_tables(self.projection, self._database.dialect, build)
            bound = connection.cache[self.projection, build] = Bound(
                self.projection, tables, connection, is_writable=False
            )
        return bound

    def _not_ready(self) -> ReadModelNotReady:
        return ReadModelNotReady(
            f"The read models of {self.name!r} do not exist yet. A process that runs projections makes them when it "
            "starts: run one, or have this one do it (role='all')."
        )

    def _behind(self, row: ConsumerRow, wanted: Wanted) -> ReadModelBehind:
        if row.paused is not None:
            why = f"it is paused ({row.paused}). Resume it (everfold projections resume {self.name})."
        else:
            why = f"it did not get there within {wanted.timeout:g} s."
        return ReadModelBehind(self.name, wanted=wanted.position, reached=row.position, why=why)
