"""Scenarios of projections: given these events, then these rows, and these answers. Synchronous, without an app.

Events are stored and read back, and applied by the code that runs projections, to a database in memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NoReturn, Self, TypeVar

from everfold.codec.upcaster import Merger, Upcaster
from everfold.domain.event import event_definition
from everfold.domain.query import Query
from everfold.domain.read_model import ReadModel
from everfold.errors import CodecError, DefinitionError
from everfold.log.record import Metadata, Record
from everfold.projections.projection import Projection, ProjectionDefinition
from everfold.testing.event_diff import field_values, show_difference, show_events
from everfold.testing.projected_tables import NotApplied, ProjectedTables
from everfold.testing.recorded_history import RecordedHistory

__all__ = ["ProjectionScenario", "projecting"]

M = TypeVar("M", bound=ReadModel)
R = TypeVar("R")


def projecting(projection: type[Projection], *, upcasters: Sequence[Upcaster | Merger] = ()) -> ProjectionScenario:
    """A scenario for a projection::

    def test_summaries() -> None:
        (
            projecting(AccountSummaries)
            .given("account-a1", AccountOpened(owner="Ann", initial_balance=100), MoneyDeposited(amount=5))
            .then(AccountSummary("a1", "Ann", 105))
            .answered(GetAccount(account_id="a1"), AccountSummary("a1", "Ann", 105))
        )
    """
    return ProjectionScenario(projection, upcasters=upcasters)


class ProjectionScenario:
    """What was recorded, and what must have come of it. Methods return the scenario itself, except ``asked``."""

    def __init__(self, projection: type[Projection], *, upcasters: Sequence[Upcaster | Merger] = ()) -> None:
        if not isinstance(getattr(projection, "__everfold__", None), ProjectionDefinition):
            raise DefinitionError(f"{projection!r} projects nothing. Give a subclass of Projection.")
        self._projection = projection
        self._definition = projection.__everfold__
        self._history = RecordedHistory(tuple(self._definition.handlers), upcasters)
        self._batches: list[Sequence[Record]] = []
        self._expected_failures = 0
        self._tables: ProjectedTables | None = None
        self._is_looked_at = True

    # --- given

    def given(self, stream: str, *events: object, at: datetime | None = None, metadata: Metadata | None = None) -> Self:
        """These events were recorded in this stream, after what was given earlier.

        ``at``: when; by default at the time of what was before, and at first at the start of 2030. ``metadata``: who
        and what caused them. Each call is applied as a batch of its own.
        """
        __tracebackhide__ = True
        if event_definition(type(stream)) is not None:
            raise DefinitionError(f'given(...) takes a stream first: given("account-a1", {stream!r}).')
        for event in events:
            if event_definition(type(event)) is None:
                raise DefinitionError(f"given(...) takes the name of a stream, then events, and {event!r} is none.")
        return self._given(self._history.add(stream, events, at=at, metadata=metadata))

    def given_records(self, *records: Record) -> Self:
        """These records are in the log, exactly as they are: for old shapes, or odd metadata."""
        __tracebackhide__ = True
        for record in records:
            self._history.add_record(record)
        return self._given(records)

    def _given(self, records: Sequence[Record]) -> Self:
        if records:
            self._batches.append(records)
        self._tables = None
        self._is_looked_at = False
        return self

    # --- then

    def then(self, *rows: ReadModel) -> Self:
        """The tables hold exactly these rows, in any order."""
        __tracebackhide__ = True
        expected: dict[str, list[ReadModel]] = {attribute: [] for attribute in self._definition.tables}
        for row in rows:
            expected[self._attribute(type(row))].append(row)
        self._compare(expected, f"The rows of {self._name} differ")
        return self

    def then_rows(self, model: type[M], rows: Sequence[M]) -> Self:
        """The table of this read model holds exactly these rows, in any order, whatever the other tables hold."""
        __tracebackhide__ = True
        self._compare({self._attribute(model): rows}, f"The rows of {model.__qualname__} differ")
        return self

    def then_row(self, model: type[ReadModel], key: object, **fields: object) -> Self:
        """The row with this key is there and has these fields."""
        __tracebackhide__ = True
        attribute = self._attribute(model)
        tables = self._applied()
        row = next((row for row in tables.rows()[attribute] if tables.tables[attribute].key_of(row) == key), None)
        if row is None:
            there = show_events(tables.rows()[attribute])
            _fail(f"{self._name} has no {model.__qualname__} with the key {key!r}. It has:\n{there}")
        found = field_values(row)
        for name in fields:
            if name not in found:
                raise DefinitionError(f"{model.__qualname__} has no field {name!r}. It has {', '.join(found)}.")
        wrong = [
            f"    {name}: expected {value!r}, is {found[name]!r}"
            for name, value in fields.items()
            if found[name] != value
        ]
        if wrong:
            _fail(f"The {model.__qualname__} with the key {key!r} differs:\n" + "\n".join(wrong))
        return self

    def asked(self, query: Query[R]) -> R:
        """What the projection answers now: ``assert ....asked(GetAccount(...)) == ...``. Raises what it raises."""
        function = self._definition.answers.get(type(query))
        if function is None:
            known = ", ".join(sorted(kind.__qualname__ for kind in self._definition.answers)) or "no query"
            raise DefinitionError(f"{self._name} does not answer {query!r}. It answers {known}.")
        answer: R = self._applied().answer(function, query)
        return answer

    def answered(self, query: Query[R], expected: R) -> Self:
        """The projection answers this."""
        __tracebackhide__ = True
        found = self.asked(query)
        if found != expected or type(found) is not type(expected):
            _fail(f"{query!r} was answered otherwise (- expected, + found):\n{show_difference([expected], [found])}")
        return self

    def failed(self, *events: object, error: type[BaseException] = Exception, match: str = "") -> Self:
        """Exactly these events could not be applied, each with this kind of error and words.

        What then holds is what an application would have: the events are set aside, later ones of their streams wait
        behind them, and all others were applied.
        """
        __tracebackhide__ = True
        failures = self._fold().failures
        self._is_looked_at = True
        found = [self._event_of(failure) for failure in failures]
        if found != list(events):
            reasons = "".join(f"\n    {self._text_of(failure)}" for failure in failures)
            difference = show_difference(events, found)
            _fail(f"Other events failed in {self._name} (- expected, + failed):\n{difference}{reasons}")
        for failure in failures:
            if not isinstance(failure.error, error) or not re.search(match, str(failure.error)):
                wanted = f"{error.__qualname__} with {match!r}" if match else error.__qualname__
                _fail(f"{self._text_of(failure)}. Expected {wanted}.", failure.error)
        self._expected_failures = len(failures)
        return self

    def check_looked_at(self) -> None:
        """Fail when events were given and nothing was expected of them: a failure would have gone unseen."""
        __tracebackhide__ = True
        if not self._is_looked_at:
            _fail(f"Events were given to {self._name}, but nothing was expected of them. Add .then(...).")

    # --- parts

    @property
    def _name(self) -> str:
        return self._projection.__qualname__

    def _attribute(self, model: type) -> str:
        for attribute, kept in self._definition.tables.items():
            if kept is model:
                return attribute
        known = ", ".join(kept.__qualname__ for kept in self._definition.tables.values())
        raise DefinitionError(f"{self._name} has no table of {model!r}. It has tables of {known or 'nothing'}.")

    def _fold(self) -> ProjectedTables:
        if self._tables is None:
            self._tables = ProjectedTables(self._projection, self._history.codec)
            for batch in self._batches:
                self._tables.apply(batch)
        return self._tables

    def _applied(self) -> ProjectedTables:
        """The tables, if everything that failed was expected to."""
        __tracebackhide__ = True
        tables = self._fold()
        self._is_looked_at = True
        for failure in tables.failures[self._expected_failures :]:
            _fail(f"{self._text_of(failure)}. If that is right, say so with .failed(...).", failure.error)
        return tables

    def _compare(self, expected: dict[str, Any], complaint: str) -> None:
        __tracebackhide__ = True
        tables = self._applied()
        rows = tables.rows()
        wanted: list[object] = []
        found: list[object] = []
        for attribute, given in expected.items():
            key_of = tables.tables[attribute].key_of
            wanted += sorted((tables.as_read(attribute, row) for row in given), key=key_of)
            found += rows[attribute]
        if wanted != found:
            _fail(f"{complaint} (- expected, + found):\n{show_difference(wanted, found)}")

    def _event_of(self, failure: NotApplied) -> object:
        try:
            return self._history.codec.decode(failure.record)[0]
        except CodecError:
            return failure.record

    def _text_of(self, failure: NotApplied) -> str:
        record, error = failure.record, failure.error
        return (
            f"{self._name} could not apply {self._event_of(failure)!r} of {record.stream} (position "
            f"{record.position}): {type(error).__name__}: {str(error).rstrip('.')}"
        )


def _fail(message: str, cause: BaseException | None = None) -> NoReturn:
    __tracebackhide__ = True
    raise AssertionError(message) from cause
