"""Aggregates: what is declared, what is inherited, and what is refused when the class is made."""

# pyright: reportUnusedClass=false, reportRedeclaration=false

import functools
import types
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Generic, Optional, TypeAlias, TypeVar, Union

import msgspec
import pytest

from everfold import Aggregate, Command, Event, Events, SnapshotPolicy, decide, evolve
from everfold.domain.state import StateMeta
from everfold.errors import DefinitionError

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Opened(Event):
    owner: str


class Closed(Event):
    pass


class Open(Command):
    id: str
    owner: str = ""


class Close(Command):
    id: str


class Account(Aggregate, key="id", snapshots=SnapshotPolicy(every=10)):
    owner: str = ""
    notes: list[str] = []  # noqa: RUF012 (copied for every instance)
    labels: dict[str, str] = msgspec.field(default_factory=lambda: {"a": "b"})

    @decide
    def open(self, command: Open) -> Events:
        yield Opened(owner=command.owner)

    @evolve
    def opened(self, event: Opened) -> None:
        self.owner = event.owner


def make(**body: Any) -> Any:
    """An aggregate with this body, which a type checker would refuse."""
    keywords = {name: body.pop(name) for name in ("key", "category", "snapshots", "frozen") if name in body}
    body |= {"__module__": __name__, "__qualname__": "Broken"}
    return types.new_class("Broken", (Aggregate,), {"key": "id"} | keywords, lambda namespace: namespace.update(body))


def test_the_definition_is_read_from_the_class() -> None:
    definition = Account.__everfold__
    assert (definition.category, definition.key, definition.snapshots) == ("account", "id", SnapshotPolicy(every=10))
    assert definition.decisions == {Open: Account.open}
    assert definition.evolutions == {Opened: Account.opened}
    assert definition.key_of(Open(id="a1")) == "a1"


def test_default_state_is_not_shared_between_instances() -> None:
    one, other = Account(), Account()
    one.notes.append("x")
    one.labels["c"] = "d"
    assert other == Account(owner="", notes=[], labels={"a": "b"})


def test_the_category_can_be_given() -> None:
    class ShoppingCart(Aggregate, key="id"):
        pass

    class Cart(Aggregate, key="id", category="Sales.Cart"):
        pass

    assert ShoppingCart.__everfold__.category == "shopping_cart"
    assert Cart.__everfold__.category == "Sales.Cart"


@pytest.mark.parametrize("category", ["", "has-dash", "1st", "x" * 61, "ümlaut", 7])
def test_a_bad_category_is_refused(category: object) -> None:
    with pytest.raises(DefinitionError, match=r"Broken: .*Give another with category="):
        make(category=category)


@pytest.mark.parametrize("key", [None, "", "two words", 5])
def test_an_aggregate_needs_a_key(key: object) -> None:
    with pytest.raises(DefinitionError, match=r"has no key. Write class Broken.Aggregate, key='...'. with the field"):
        make(key=key)


def test_an_unknown_class_keyword_is_refused() -> None:
    with pytest.raises(
        DefinitionError, match=r"keyword frozen= does not exist here. There are: key=, category=, snapshots="
    ):
        make(frozen=True)


def test_a_snapshot_policy_is_checked() -> None:
    assert SnapshotPolicy(older_than=timedelta(days=1)).every is None
    with pytest.raises(DefinitionError, match="needs every="):
        SnapshotPolicy()
    with pytest.raises(DefinitionError, match="cannot have every=0"):
        SnapshotPolicy(every=0)
    with pytest.raises(DefinitionError, match="snapshots=10 is no policy"):
        make(snapshots=10)


def test_a_state_field_needs_a_default() -> None:
    with pytest.raises(
        DefinitionError, match="the field 'balance' needs a default, which it has before the first event"
    ):
        make(__annotations__={"balance": int})


def test_a_state_field_must_be_storable() -> None:
    with pytest.raises(DefinitionError, match="the field 'rate' has the type complex"):
        make(__annotations__={"rate": complex}, rate=1j)


def test_a_command_needs_the_key_field() -> None:
    class Rename(Command):
        name: str

    with pytest.raises(DefinitionError, match=r"Broken decides .*Rename, which has no field 'id'. Add the field"):

        class Broken(Aggregate, key="id"):
            @decide
            def rename(self, command: Rename) -> None: ...


def test_the_key_field_must_not_be_optional() -> None:
    class Rename(Command):
        id: str | None = None

    with pytest.raises(DefinitionError, match=r"Rename, whose field 'id' may be None. It names the aggregate: require"):

        class Broken(Aggregate, key="id"):
            @decide
            def rename(self, command: Rename) -> None: ...


# --- handlers are chosen by the type of the second parameter


Either: TypeAlias = Opened | Closed


def test_a_handler_may_take_a_union() -> None:
    class Door(Aggregate, key="id"):
        changes: int = 0

        @decide
        def change(self, command: Union[Open, Close]) -> Events:  # noqa: UP007 (the old spelling works too)
            yield Closed()

        @evolve
        def changed(self, event: Either) -> None:
            self.changes += 1

    assert list(Door.__everfold__.decisions) == [Open, Close]
    assert list(Door.__everfold__.evolutions) == [Opened, Closed]


def test_a_handler_may_be_annotated_by_text_or_with_annotated() -> None:
    class Door(Aggregate, key="id"):
        @evolve
        def opened(self, event: "Opened") -> None: ...

        @evolve
        def closed(self, event: Annotated[Closed, "a note"]) -> None: ...

    assert list(Door.__everfold__.evolutions) == [Opened, Closed]


def test_a_handler_may_be_wrapped_by_a_decorator() -> None:
    def loudly(method: F) -> F:
        @functools.wraps(method)
        def wrapper(*args: Any) -> Any:
            return method(*args)

        return wrapper  # type: ignore[return-value] # the usual lie of decorators

    class Door(Aggregate, key="id"):
        @evolve
        @loudly
        def opened(self, event: Opened) -> None: ...

        @loudly
        @evolve
        def closed(self, event: Closed) -> None: ...

    assert list(Door.__everfold__.evolutions) == [Opened, Closed]


def no_type(self: Any, event: Any) -> None: ...


no_type.__annotations__.clear()


def no_message(self: Any) -> None: ...
def too_many(self: Any, event: Opened, other: int) -> None: ...
def by_keyword(self: Any, *, event: Opened) -> None: ...
def splat(*events: Opened) -> None: ...
def not_a_class(self: Any, event: Annotated[T, "x"]) -> None: ...  # on purpose
def optional(self: Any, event: Optional[Opened]) -> None: ...  # noqa: UP045 (the old spelling)
def of_a_command(self: Any, event: Open) -> None: ...
def of_the_root(self: Any, event: Event) -> None: ...
def unknown(self: Any, event: "Missing") -> None: ...  # type: ignore[name-defined] # noqa: F821  # pyright: ignore
def misspelt(self: Any, event: "1 +") -> None: ...  # type: ignore[valid-type] # noqa: F722  # pyright: ignore
async def waits(self: Any, event: Opened) -> None: ...
async def streams(self: Any, event: Opened) -> Any:
    yield event


def yields(self: Any, event: Opened) -> Events:
    yield Closed()


class Changed(Event, Generic[T]):
    value: T


def of_a_generic(self: Any, event: Changed[int]) -> None: ...


CANNOT_WORK: list[tuple[Any, str]] = [
    (no_type, "the parameter 'event' has no type. Annotate it with what it handles"),
    (no_message, r"takes something other than a message. Write def no_message\(self, message: Type\)"),
    (too_many, "takes something other than a message"),
    (by_keyword, "takes something other than a message"),
    (splat, "takes something other than a message"),
    (not_a_class, "'event' is annotated with ~T, which is not a class"),
    (of_a_generic, r"Handlers take plain classes: write class Special\(.*Changed\[int\]\) and handle that"),
    (optional, "NoneType is not a registered event"),
    (of_a_command, "Open is not a registered event. Subclass Event, or decorate it with @event"),
    (of_the_root, "Event is not a registered event"),
    (unknown, "the type 'Missing' of 'event' is not known here .name 'Missing' is not defined"),
    (misspelt, "the type '1 [+]' of 'event' is not known here"),
    (waits, "waits is async. Decisions and evolutions are pure: use a function with @app.handles"),
    (streams, "streams is async"),
    (yields, "yields yields. Only decisions yield events"),
]


@pytest.mark.parametrize(("method", "problem"), CANNOT_WORK)
def test_a_handler_that_cannot_work_is_refused(method: Any, problem: str) -> None:
    copy = types.FunctionType(method.__code__, method.__globals__, method.__name__)
    copy.__annotations__, copy.__kwdefaults__ = method.__annotations__, method.__kwdefaults__
    with pytest.raises(DefinitionError, match=problem):
        make(**{method.__name__: evolve(copy)})


def test_a_decision_of_an_event_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"Opened is not a registered command. Subclass Command"):

        class Broken(Aggregate, key="id"):
            @decide
            def opened(self, command: Opened) -> None: ...


def test_two_handlers_for_one_type_are_refused() -> None:
    with pytest.raises(DefinitionError, match=r"has two decisions for Open: one and other. Keep one"):

        class Twice(Aggregate, key="id"):
            @decide
            def one(self, command: Open) -> None: ...

            @decide
            def other(self, command: Open | Close) -> None: ...

    with pytest.raises(DefinitionError, match=r"has two evolutions for Opened: one and other. Keep one"):

        class TwiceMore(Aggregate, key="id"):
            @evolve
            def one(self, event: Opened) -> None: ...

            @evolve
            def other(self, event: Opened) -> None: ...


def test_two_handlers_of_one_name_are_refused_because_the_first_would_be_lost() -> None:
    with pytest.raises(DefinitionError, match="Broken defines 'apply' twice, so that the first would be lost"):

        class Broken(Aggregate, key="id"):
            @evolve
            def apply(self, event: Opened) -> None: ...

            @evolve  # type: ignore[no-redef] # on purpose
            def apply(self, event: Closed) -> None: ...  # noqa: F811


def test_only_plain_methods_are_marked() -> None:
    mark: Any = decide
    with pytest.raises(DefinitionError, match=r"@decide on .*: it marks plain methods"):
        mark(staticmethod(no_message))
    with pytest.raises(DefinitionError, match="open is marked twice"):
        mark(Account.open)
    with pytest.raises(DefinitionError, match=r"opened is a staticmethod. Decisions and evolutions are plain methods"):
        make(opened=staticmethod(Account.opened))


# --- inheritance


class Savings(Account, key="id"):
    @decide
    def open(self, command: Open) -> Events:
        yield Opened(owner=command.owner.upper())

    @evolve
    def closed(self, event: Closed) -> None: ...


def test_a_subclass_inherits_and_overrides() -> None:
    definition = Savings.__everfold__
    assert definition.category == "savings"
    assert definition.snapshots == SnapshotPolicy(every=10)
    assert definition.decisions == {Open: Savings.open}
    assert definition.evolutions == {Opened: Account.opened, Closed: Savings.closed}
    assert Account.__everfold__.evolutions == {Opened: Account.opened}


def test_a_subclass_may_handle_a_type_under_another_name() -> None:
    class Special(Account):
        @evolve
        def opened_specially(self, event: Opened) -> None: ...

    assert Special.__everfold__.evolutions == {Opened: Special.opened_specially}
    assert Special.__everfold__.key == "id"


def test_a_method_that_takes_another_type_replaces_the_inherited_handler() -> None:
    class Special(Account):
        @decide
        def open(self, command: Close) -> Events:  # type: ignore[override] # pyright: ignore # on purpose
            yield Opened(owner="")

    assert list(Special.__everfold__.decisions) == [Close]


def test_overriding_a_handler_without_the_mark_is_refused() -> None:
    with pytest.raises(DefinitionError, match=r"Special.opened replaces the handler Account.opened and is none itself"):

        class Special(Account):
            def opened(self, event: Opened) -> None: ...


def test_of_two_bases_the_first_one_wins() -> None:
    class Loud(Aggregate, key="id"):
        @evolve
        def opened_loudly(self, event: Opened) -> None: ...

    class Both(Loud, Account, key="id"):
        pass

    assert Both.__everfold__.evolutions == {Opened: Loud.opened_loudly}
    assert isinstance(Both, StateMeta)
