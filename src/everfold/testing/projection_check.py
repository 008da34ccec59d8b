"""A property of every projection: it survives every history, and how the events reach it makes no difference.

Needs Hypothesis: ``pip install hypothesis``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

try:
    from hypothesis import HealthCheck, Phase, given, settings
    from hypothesis import strategies as st
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "check_projection needs Hypothesis. Install it with: pip install hypothesis", name=error.name
    ) from error

from everfold.codec.pipeline import Codec
from everfold.codec.upcaster import Merger, Upcaster
from everfold.domain.aggregate import Aggregate
from everfold.domain.read_model import ReadModel
from everfold.errors import DefinitionError, EverfoldError
from everfold.log.record import Record
from everfold.projections.projection import Projection, ProjectionDefinition
from everfold.testing.event_diff import show_difference
from everfold.testing.possible_histories import Happened, PossibleHistories
from everfold.testing.projected_tables import ProjectedTables
from everfold.testing.recorded_history import RecordedHistory

__all__ = ["check_projection"]


def check_projection(
    projection: type[Projection],
    *,
    aggregates: Sequence[type[Aggregate]] = (),
    begins_with: type | Sequence[type] = (),
    examples: Sequence[object] = (),
    category: str = "example",
    upcasters: Sequence[Upcaster | Merger] = (),
    max_examples: int = 50,
) -> None:
    """Check a projection with many histories of the events that it handles; AssertionError shows a short one::

    def test_it_survives() -> None:
        check_projection(AccountSummaries, aggregates=[Account])

    Every handled event can be stored and read back, no handler fails, the tables are the same whether events come one
    by one, in pages with restarts between them, or all at once (as in a rebuild), and every handled type has occurred.

    What may happen is a matter of who writes the events. ``aggregates``: their events are what they decide on random
    commands, so that no account receives money before it is opened. The events of others come in any order, in streams
    of ``category``; ``begins_with``: of these types, one comes first in each such stream, and none later. ``examples``:
    events and commands to take instead of random ones of their types; an event of an aggregate then also comes
    undecided, as those do that older versions recorded. The same histories are tried in every run.
    """
    __tracebackhide__ = True
    check = _Check(projection, aggregates, begins_with, examples, category, upcasters)
    try:
        check.events_can_be_stored()
        seen = check.histories(max_examples)
    except AssertionError as found:  # the same without our frames, and without Hypothesis' note about them
        raise AssertionError(str(found)) from found.__cause__
    unseen = [event.__qualname__ for event in projection.__everfold__.handlers if event not in seen]
    if unseen:
        raise AssertionError(
            f"{projection.__qualname__} handles {', '.join(unseen)}, and no history had one. Give examples=[...] of "
            "the event, or of commands that lead to it, or raise max_examples."
        )


class _Check:
    """One projection, and the histories it is to survive."""

    def __init__(
        self,
        projection: type[Projection],
        aggregates: Sequence[type[Aggregate]],
        begins_with: type | Sequence[type],
        examples: Sequence[object],
        category: str,
        upcasters: Sequence[Upcaster | Merger],
    ) -> None:
        if not isinstance(getattr(projection, "__everfold__", None), ProjectionDefinition):
            raise DefinitionError(f"{projection!r} projects nothing. Give a subclass of Projection.")
        first = (begins_with,) if isinstance(begins_with, type) else tuple(begins_with)
        decided = [event for aggregate in aggregates for event in aggregate.__everfold__.evolutions]
        self._projection = projection
        self._handled = tuple(projection.__everfold__.handlers)
        self._events = tuple(dict.fromkeys((*self._handled, *decided, *first)))
        self._upcasters = upcasters
        self._histories = PossibleHistories(
            self._handled,
            RecordedHistory(self._events).codec,
            aggregates=aggregates,
            begins_with=first,
            examples=examples,
            category=category,
        )

    def events_can_be_stored(self) -> None:
        """Every handled event is read back as it was written."""
        codec = RecordedHistory(self._events).codec
        for event_type in self._handled:

            @_quietly(10)
            @given(self._histories.instances(event_type))
            def survives(event: object) -> None:
                _check_storable(event, codec)

            survives()

    def histories(self, max_examples: int) -> set[type]:
        """Try histories; the types of events that occurred."""
        seen: set[type] = set()

        @_quietly(max_examples)
        @given(self._histories.strategy(), st.integers(2, 5))
        def survives(history: list[Happened], page: int) -> None:
            self._check(history, page)
            seen.update(type(each.event) for each in history)

        survives()
        return seen

    def _check(self, history: Sequence[Happened], page: int) -> None:
        recorded = RecordedHistory(self._events, self._upcasters)
        for each in history:
            recorded.add(each.stream, [each.event])
        records = recorded.records
        rebuilt = self._fold(history, recorded, len(records))
        for size, how in ((1, "one by one"), (page, f"in pages of {page}, with restarts between them")):
            rows = self._fold(history, recorded, size)
            if rows != rebuilt:
                raise AssertionError(
                    f"{self._projection.__qualname__} has other rows when events come {how} (-) than when they come "
                    f"all at once, as in a rebuild (+). Handlers must depend on nothing but events and tables, and ask "
                    f"for self.connection before each statement that changes rows.\n{show_difference(rows, rebuilt)}"
                    f"\nThe history:\n{_text(history)}"
                )

    def _fold(self, history: Sequence[Happened], recorded: RecordedHistory, size: int) -> list[ReadModel]:
        tables = ProjectedTables(self._projection, recorded.codec)
        records: Sequence[Record] = recorded.records
        for start in range(0, len(records), max(size, 1)):
            if size > 1 and start // size % 3 == 1:  # not each time: it takes a while
                tables.restart()
            tables.apply(records[start : start + size])
            for failure in tables.failures:
                event, error = history[failure.record.position - 1].event, failure.error
                reason = f"{type(error).__name__}: {str(error).rstrip('.')}"
                raise AssertionError(
                    f"{self._projection.__qualname__} failed on {event!r} of {failure.record.stream}: "
                    f"{reason}. If this cannot happen, say who decides it: aggregates=[...] or "
                    f"begins_with=...\nThe history:\n{_text(history[: failure.record.position])}"
                ) from error
        return [row for rows in tables.rows().values() for row in rows]


def _quietly(max_examples: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The same examples in every run, and nothing said about their speed."""
    return settings(
        max_examples=max_examples,
        derandomize=True,
        database=None,
        deadline=None,
        print_blob=False,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def _check_storable(event: object, codec: Codec) -> None:
    try:
        new = codec.encode(event)
        (again,) = codec.decode(Record(1, "example-1", 1, new.type, new.schema_version, new.id, 0, new.data))
    except EverfoldError as error:
        raise AssertionError(f"{event!r} cannot be stored: {error}") from error
    if again != event or type(again) is not type(event):
        raise AssertionError(f"{event!r} would be read back from the store as {again!r}.")


def _text(history: Sequence[Happened]) -> str:
    return "\n".join(f"    {each.stream}: {each.event!r}" for each in history)
