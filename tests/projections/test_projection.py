"""Projections: what a class declares, what it inherits, and every mistake that is found when it is made."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest

from everfold import App, Event, Projection, Query, ReadModel, Record, Table, answer, project
from everfold.errors import DefinitionError


class Opened(Event):
    owner: str


class Paid(Event):
    amount: int


class Took(Event):
    amount: int


class Summary(ReadModel, key="id"):
    id: str
    balance: int = 0


class Other(ReadModel, key="id"):
    id: str


class Get(Query[Summary]):
    id: str


class Count(Query[int]):
    pass


class Summaries(Projection):
    summaries: Table[Summary]
    title: ClassVar[str] = "not a table"

    @project
    def opened(self, event: Opened, record: Record) -> None:
        self.summaries.put(Summary(record.key))

    @project
    def moved(self, event: Paid | Took) -> None:
        pass

    @answer
    def one(self, query: Get) -> Summary:
        return self.summaries[query.id]


def handlers(projection: type[Projection]) -> dict[str, str]:
    found = projection.__everfold__.handlers.items()
    return {event.__name__: handler.function.__qualname__.partition("<locals>.")[2] for event, handler in found}


def test_a_class_declares_tables_handlers_and_answers() -> None:
    definition = Summaries.__everfold__
    assert (definition.name, definition.mode, definition.version) == ("summaries", "async", 1)
    assert definition.tables == {"summaries": Summary}
    assert list(definition.handlers) == [Opened, Paid, Took]
    assert [handler.wants_record for handler in definition.handlers.values()] == [True, False, False]
    assert list(definition.answers) == [Get]


def test_names_modes_and_versions() -> None:
    class Named(Projection, name="accounts", mode="live", version=3):
        rows: Table[Summary]

    definition = Named.__everfold__
    assert (definition.name, definition.mode, definition.version) == ("accounts", "live", 3)


def test_everything_may_be_declared_within_a_function() -> None:
    class Local(Event):
        pass

    class Row(ReadModel, key="id"):
        id: str

    class Inner(Projection):
        rows: Table[Row]

        @project
        def local(self, event: Local) -> None:
            pass

    assert Inner.__everfold__.tables == {"rows": Row}
    assert list(Inner.__everfold__.handlers) == [Local]


def test_a_subclass_adds_and_replaces() -> None:
    class Wider(Summaries):
        others: Table[Other]

        @project
        def opened(self, event: Opened) -> None:  # type: ignore[override]  # pyright: ignore
            pass

        @answer
        def count(self, query: Count) -> int:
            return self.others.count()

    definition = Wider.__everfold__
    assert definition.tables == {"summaries": Summary, "others": Other}
    assert handlers(Wider)["Opened"] == "Wider.opened"
    assert not definition.handlers[Opened].wants_record
    assert list(definition.answers) == [Get, Count]


def test_a_method_that_is_replaced_handles_what_the_new_one_says() -> None:
    class Narrower(Summaries):
        @project
        def moved(self, event: Paid) -> None:  # type: ignore[override]  # pyright: ignore
            pass

        def opened(self, event: Opened, record: Record) -> None:
            """Not a handler any more."""

        one: ClassVar[None] = None  # type: ignore[assignment]  # pyright: ignore

    assert handlers(Narrower) == {"Paid": "Narrower.moved"}
    assert Narrower.__everfold__.answers == {}


def test_another_method_may_take_over_an_event() -> None:
    class Taken(Summaries):
        @project
        def on_paid(self, event: Paid) -> None:
            pass

    assert handlers(Taken) == {"Opened": "", "Paid": "Taken.on_paid", "Took": ""}


def test_of_several_bases_the_methods_that_python_finds_are_taken() -> None:
    class Left(Summaries):
        @project
        def opened(self, event: Opened, record: Record) -> None:
            pass

    class Right(Summaries):
        others: Table[Other]

    class Both(Right, Left):
        pass

    class Mixin:
        def opened(self, event: Opened) -> None:
            pass

    class Mixed(Mixin, Summaries):  # type: ignore[misc]  # pyright: ignore
        pass

    assert Both.opened is Left.opened
    assert handlers(Both)["Opened"] == "Left.opened"
    assert Both.__everfold__.tables == {"summaries": Summary, "others": Other}
    assert list(Mixed.__everfold__.handlers) == [Paid, Took]


def make(body: dict[str, Any] | None = None, **keywords: Any) -> type[Projection]:
    namespace = {"__module__": __name__, "__annotations__": {"summaries": Table[Summary]}, **(body or {})}
    made: type[Projection] = type("Made", (Projection,), namespace, **keywords)
    return made


def untyped(self, event):  # type: ignore[no-untyped-def]  # pyright: ignore  # noqa: ANN001, ANN201
    pass


def takes_nothing(self: object) -> None:
    pass


def takes_query(self: object, query: Get) -> None:
    pass


def takes_text(self: object, event: str) -> None:
    pass


def takes_event(self: object, event: Paid) -> None:
    pass


async def waits(self: object, event: Paid) -> None:
    pass


def yields(self: object, event: Paid) -> Any:
    yield event


def fresh(function: Any) -> Any:
    """A function of its own, because marks stay."""
    import types

    copied = types.FunctionType(function.__code__, function.__globals__, function.__name__)
    copied.__annotations__ = function.__annotations__
    copied.__module__, copied.__qualname__ = __name__, function.__name__
    return copied


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"__annotations__": {"count": int}}, "keeps nothing but tables"),
        ({"__annotations__": {"_count": int}}, "keeps nothing but tables"),
        ({"__annotations__": {"rows": Table}}, "keeps nothing but tables"),
        ({"__annotations__": {"rows": "Table[Nowhere]"}}, "is not known here"),
        ({"__annotations__": {"rows": Table[int]}}, "no ReadModel"),  # type: ignore[type-var]  # pyright: ignore
        ({"__annotations__": {"rows": Table[ReadModel]}}, "no ReadModel"),
        ({"__annotations__": {"connection": Table[Summary]}}, "cannot be the name of a table"),
        ({"__annotations__": {"a": Table[Summary], "b": Table[Summary]}}, "two tables named 'summary'"),
        ({"handle": project(fresh(untyped))}, "has no type"),
        ({"handle": project(fresh(takes_nothing))}, "takes something other than a message"),
        ({"handle": project(fresh(takes_query))}, "Get is not an event"),
        ({"handle": project(fresh(takes_text))}, "str is not an event"),
        ({"handle": answer(fresh(takes_event))}, "Paid is not a query"),
        ({"handle": answer(cached=True)(fresh(takes_text))}, "str is not a query"),
        ({"handle": project(fresh(waits))}, "is async or yields"),
        ({"handle": project(fresh(yields))}, "is async or yields"),
        ({"handle": staticmethod(project(fresh(takes_event)))}, "Handlers are plain methods"),
        (
            {"one": project(fresh(takes_event)), "two": project(fresh(takes_event))},
            "handles Paid twice: in one and two",
        ),
    ],
)
def test_what_makes_no_sense_is_refused(body: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        make(body)


@pytest.mark.parametrize(
    ("keywords", "problem"),
    [
        ({"name": ""}, "cannot be a name"),
        ({"name": "a b"}, "cannot be a name"),
        ({"name": 5}, "cannot be a name"),
        ({"mode": "sync"}, "no mode 'sync'. Use one of async, inline, live"),
        ({"version": 0}, "not a whole number from 1"),
        ({"version": True}, "not a whole number from 1"),
    ],
)
def test_keywords_that_make_no_sense_are_refused(keywords: dict[str, Any], problem: str) -> None:
    with pytest.raises(DefinitionError, match=problem):
        make(**keywords)


def test_marks_are_for_functions_and_only_once() -> None:
    with pytest.raises(DefinitionError, match="marks plain methods"):
        project(staticmethod(takes_event))
    with pytest.raises(DefinitionError, match="marked twice"):
        answer(project(fresh(takes_event)))


def test_names_tables_and_queries_have_one_owner_in_an_app() -> None:
    class Again(Projection, name="summaries"):
        pass

    class SameTable(Projection):
        rows: Table[Summary]

    class SameQuery(Projection):
        @answer
        def one(self, query: Get) -> Summary:
            raise NotImplementedError

    for other, what in (
        (Again, "the name 'summaries'"),
        (SameTable, "the table 'summary'"),
        (SameQuery, "the query Get"),
    ):
        with pytest.raises(DefinitionError, match=what):
            App("bank", Summaries, other, store="memory:")
    app = App("bank", Summaries, store="memory:")
    with pytest.raises(DefinitionError, match="Get has two handlers"):

        @app.answers(Get)
        async def get(query: Get) -> Summary:  # pyright: ignore[reportUnusedFunction]
            raise NotImplementedError
