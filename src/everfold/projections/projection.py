"""Projections: what turns events into read models and answers queries from them. Written by users.

The class is checked when it is made. An instance is bound to one transaction, or one view, of a database.
"""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import msgspec

from everfold.domain.annotations import Names, evaluate, names_around
from everfold.domain.class_keywords import place_of
from everfold.domain.event import event_definition
from everfold.domain.handlers import handled_types, mark_of, wants_record
from everfold.domain.message import message_definition
from everfold.domain.read_model import ReadModel, ReadModelMeta
from everfold.errors import DefinitionError
from everfold.identifiers import kebab
from everfold.projections.table import Table

if TYPE_CHECKING:
    import sqlalchemy as sa

__all__ = ["MODES", "EventHandler", "Mode", "Projection", "ProjectionDefinition"]

Mode = Literal["async", "inline", "live"]
MODES: tuple[Mode, ...] = ("async", "inline", "live")
_Function = Callable[..., Any]


class EventHandler(msgspec.Struct, frozen=True):
    """One ``@project`` method."""

    function: _Function
    wants_record: bool


class ProjectionDefinition(msgspec.Struct, frozen=True):
    """What a projection class declares."""

    name: str
    """Its permanent name: kebab case, from the class name unless given."""
    mode: Mode
    version: int
    tables: Mapping[str, type[ReadModel]]
    """By the attribute that is annotated with them."""
    handlers: Mapping[type, EventHandler]
    """By event class."""
    answers: Mapping[type, _Function]
    """By query class."""


class Projection:
    """Turns events into tables and answers queries from them::

        class AccountSummaries(Projection):
            summaries: Table[AccountSummary]

            @project
            def opened(self, event: AccountOpened, record: Record) -> None:
                self.summaries.put(AccountSummary(record.key, event.owner, event.initial_balance))

            @answer
            def one(self, query: GetAccount) -> AccountSummary:
                return self.summaries[query.account_id]

    ``mode``: ``"async"`` (follows the log, milliseconds behind), ``"inline"`` (written in the transaction of the
    append) or ``"live"`` (kept nowhere, folded when it is asked). ``name``: by default the class name in kebab case.
    ``version``: raise it to have the tables built again when only code that the handlers call has changed; changes of
    the handlers and the read models themselves are noticed. Handlers must depend on nothing but events and tables.
    """

    __everfold__: ClassVar[ProjectionDefinition]
    _everfold_connection: Callable[[], sa.Connection]

    def __init_subclass__(cls, *, name: str | None = None, mode: Mode = "async", version: int = 1) -> None:
        super().__init_subclass__()
        cls.__everfold__ = _define(cls, names_around(inspect.currentframe()), name=name, mode=mode, version=version)

    @property
    def connection(self) -> sa.Connection:
        """A SQLAlchemy connection in the transaction of the tables, for what they cannot say.

        Ask for it anew before each statement that changes rows: what the tables remember is then written and
        forgotten. It must not be committed; in answers it can only read.
        """
        return self._everfold_connection()


def _define(cls: type, names: Mapping[str, object], *, name: Any, mode: Any, version: Any) -> ProjectionDefinition:
    where = place_of(cls)
    name = kebab(cls.__name__) if name is None else name
    if not isinstance(name, str) or not name or not name.replace("-", "a").replace("_", "a").isalnum():
        raise DefinitionError(f"{where}: name={name!r} cannot be a name. Use letters, digits and dashes.")
    if mode not in MODES:
        raise DefinitionError(f"{where}: there is no mode {mode!r}. Use one of {', '.join(MODES)}.")
    if type(version) is not int or version < 1:
        raise DefinitionError(f"{where}: version={version!r} is not a whole number from 1.")
    names = {cls.__name__: cls, **names, **{key: value for key, value in vars(cls).items() if isinstance(value, type)}}
    return ProjectionDefinition(name, mode, version, _tables(cls, names), _handlers(cls, names), _answers(cls, names))


def _inherited(cls: type, field: str, function_of: Callable[[Any], _Function]) -> dict[Any, Any]:
    """The handlers or answers of the base classes, as far as Python itself finds their methods on this class."""
    known: dict[object, dict[type, Any]] = {}
    for base in cls.__mro__[1:]:
        for handled, handler in getattr(vars(base).get("__everfold__"), field, {}).items():
            known.setdefault(function_of(handler), {})[handled] = handler
    found: dict[Any, Any] = {}
    for base in reversed(cls.__mro__[1:]):
        for name, value in vars(base).items():
            if inspect.isfunction(value) and value in known and inspect.getattr_static(cls, name) is value:
                found |= known[value]
    return found


def _tables(cls: type, names: Names) -> dict[str, type[ReadModel]]:
    found: dict[str, type[ReadModel]] = {}
    for base in reversed(cls.__mro__[1:]):
        found |= getattr(vars(base).get("__everfold__"), "tables", {})
    module = inspect.getmodule(cls)
    scope = vars(module) if module else {}
    annotations: dict[str, Any] = vars(cls).get("__annotations__", {})
    for attribute, annotation in annotations.items():
        try:
            hint = evaluate(annotation, scope, names)
        except Exception as error:
            raise DefinitionError(
                f"{place_of(cls)}: the type of {attribute!r} is not known here ({error}). Define or import it above."
            ) from error
        if typing.get_origin(hint) is typing.ClassVar or hint is typing.ClassVar:
            continue
        if hasattr(Projection, attribute):
            raise DefinitionError(
                f"{place_of(cls)}: {attribute!r} cannot be the name of a table: projections have an attribute of that "
                "name. Give the table another."
            )
        if typing.get_origin(hint) is not Table:
            raise DefinitionError(
                f"{place_of(cls)}: {attribute!r} is annotated with {hint!r}. A projection keeps nothing but tables: "
                "write Table[SomeReadModel]."
            )
        found[attribute] = _read_model(cls, attribute, typing.get_args(hint)[0])
    _check_tables(cls, found)
    return found


def _read_model(cls: type, attribute: str, model: Any) -> type[ReadModel]:
    if not isinstance(model, ReadModelMeta) or "__everfold__" not in vars(model):
        raise DefinitionError(f"{place_of(cls)}: {attribute!r} is a table of {model!r}, which is no ReadModel.")
    return typing.cast("type[ReadModel]", model)


def _check_tables(cls: type, tables: Mapping[str, type[ReadModel]]) -> None:
    names = [model.__everfold__.name for model in tables.values()]
    for name in names:
        if names.count(name) > 1:
            raise DefinitionError(
                f"{place_of(cls)} has two tables named {name!r}. Subclass the read model with another name=."
            )


def _handlers(cls: type, names: Names) -> dict[type, EventHandler]:
    found: dict[type, EventHandler] = _inherited(cls, "handlers", lambda handler: handler.function)
    for function, handled in _marked(cls, "project", names):
        if event_definition(handled) is None:
            raise DefinitionError(
                f"{place_of(cls)}.{function.__name__}: {handled.__qualname__} is not an event. Subclass Event, or "
                "decorate it with @event."
            )
        found[handled] = EventHandler(function, wants_record(function))
    return found


def _answers(cls: type, names: Names) -> dict[type, _Function]:
    found: dict[type, _Function] = _inherited(cls, "answers", lambda function: function)
    for function, handled in _marked(cls, "answer", names):
        definition = message_definition(handled)
        if definition is None or definition.kind != "query":
            raise DefinitionError(
                f"{place_of(cls)}.{function.__name__}: {handled.__qualname__} is not a query. Subclass Query."
            )
        found[handled] = function
    return found


def _marked(cls: type, mark: str, names: Names) -> list[tuple[_Function, type]]:
    """The methods of this very class with the mark, and what each handles."""
    found: list[tuple[_Function, type]] = []
    seen: dict[type, str] = {}
    for name, value in vars(cls).items():
        if mark_of(value) != mark:
            continue
        where = f"{place_of(cls)}.{name}"
        if not isinstance(value, types.FunctionType):
            raise DefinitionError(f"{where} is a {type(value).__name__}. Handlers are plain methods.")
        if inspect.iscoroutinefunction(value) or inspect.isgeneratorfunction(value):
            raise DefinitionError(f"{where} is async or yields. Handlers of a projection are plain methods.")
        for handled in handled_types(value, names):
            if handled in seen:
                raise DefinitionError(
                    f"{place_of(cls)} handles {handled.__qualname__} twice: in {seen[handled]} and {name}. Keep one."
                )
            seen[handled] = name
            found.append((value, handled))
    return found
