"""The fingerprint of a projection: its code and the shape of its tables. Another one means that it is built again."""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable
from typing import Any

import msgspec

from everfold.domain.event import event_definition
from everfold.domain.handlers import mark_of
from everfold.domain.read_model import ReadModel
from everfold.projections.projection import Projection

__all__ = ["fingerprint"]


def fingerprint(projection: type[Projection]) -> str:
    """Sixteen digits that change with the handlers, the read models, the versions of the events and ``version=``.

    Handlers, and the other methods of the class that they may call, are compared by their syntax trees, so that
    comments, line breaks and docstrings change nothing, and neither does another Python. Functions outside the class
    are not looked into: raise ``version=`` when only those changed. Answers are not part of it: they change no table.
    """
    definition = projection.__everfold__
    digest = hashlib.sha256(f"{definition.name}/{definition.version}".encode())
    for attribute, model in sorted(definition.tables.items()):
        digest.update(f"\n{attribute}:{_shape(model)}".encode())
    for event, handler in sorted(definition.handlers.items(), key=lambda item: item[0].__qualname__):
        named = event_definition(event)
        digest.update(f"\n{named.name if named else ''}/{named.version if named else 1}".encode())
        digest.update(_syntax(handler.function).encode())
    for function in _other_methods(projection):
        digest.update(_syntax(function).encode())
    return digest.hexdigest()[:16]


def _other_methods(projection: type[Projection]) -> list[Callable[..., Any]]:
    """The methods that are neither handlers nor answers, in the order of their names."""
    found: dict[str, Any] = {}
    for base in reversed(projection.__mro__):
        if issubclass(base, Projection) and base is not Projection:
            found |= vars(base)
    return [value for _, value in sorted(found.items()) if inspect.isfunction(value) and mark_of(value) is None]


def _shape(model: type[ReadModel]) -> str:
    declared = model.__everfold__
    fields = [f"{field.name}:{field.type!r}={field.default!r}" for field in msgspec.structs.fields(model)]
    return f"{declared.name}{declared.key}{declared.indexes}{fields}"


def _syntax(function: Callable[..., Any]) -> str:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source here: made by exec, or shipped without
        code = function.__code__
        return repr((code.co_code, code.co_names, [each for each in code.co_consts if not inspect.iscode(each)]))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)
