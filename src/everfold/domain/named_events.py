"""Which events a decision names, read from its compiled code: what ``yield`` may give, known before it runs.

Used when a class is made, to miss no ``@evolve``. An event that is reached in other ways is found when it is yielded.
"""

from __future__ import annotations

import dis
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from everfold.domain.event import event_definition
from everfold.domain.handlers import mark_of

__all__ = ["events_named_in"]

_BY_NAME = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_CLASSDEREF"}
_BY_ATTRIBUTE = {"LOAD_ATTR", "LOAD_METHOD"}


def events_named_in(function: Callable[..., Any], cls: type, names: Mapping[str, object]) -> Iterator[type]:
    """The event classes that the code refers to as ``Event`` or ``module.Event``.

    Functions within it and methods it calls on ``self`` (those of ``cls`` that are no handlers) are looked into.
    """
    pending: list[types.FunctionType] = [function] if isinstance(function, types.FunctionType) else []
    seen: set[types.CodeType] = set()
    while pending:
        method = pending.pop()
        if method.__code__ in seen:
            continue
        seen.add(method.__code__)
        visible = {**method.__globals__, **names, **dict(_enclosed(method))}
        for code in _codes(method.__code__):
            yield from _classes(code, visible)
            pending += _methods(code, cls)


def _enclosed(function: types.FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # assigned later than the class
            continue


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _codes(constant)


def _classes(code: types.CodeType, visible: Mapping[str, object]) -> Iterator[type]:
    reached: object = None
    for instruction in dis.get_instructions(code):
        if instruction.opname in _BY_NAME:
            reached = visible.get(instruction.argval)
        elif instruction.opname in _BY_ATTRIBUTE and isinstance(reached, types.ModuleType | type):
            reached = getattr(reached, instruction.argval, None)
        else:
            reached = None
        if isinstance(reached, type) and event_definition(reached):
            yield reached


def _methods(code: types.CodeType, cls: type) -> Iterator[types.FunctionType]:
    for name in code.co_names:
        method = getattr(cls, name, None)
        if isinstance(method, types.FunctionType) and mark_of(method) is None:
            yield method
