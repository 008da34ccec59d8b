"""The fingerprint of a projection: its code and the shape of its tables. Another one means that it is built again."""

from __future__ import annotations

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, cast

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
    named = [(event_definition(event), handler) for event, handler in definition.handlers.items()]
    for event, handler in sorted([(f"{e.name}/{e.version}", handler) for e, handler in named if e], key=itemgetter(0)):
        digest.update(f"\n{event}".encode())
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
    """By JSON schema, which also tells what nested structs and enums are made of, and not in which module they are."""
    declared = model.__everfold__
    schema = msgspec.json.encode(_without_prose(msgspec.json.schema(model))).decode()
    return f"{declared.name}{declared.key}{declared.indexes}{model.__struct_fields__}{schema}"


def _without_prose(schema: Any) -> Any:
    if type(schema) is list:
        return [_without_prose(each) for each in cast("Iterable[object]", schema)]
    if type(schema) is not dict:
        return schema
    return {
        name: part if name == "default" else _without_prose(part)
        for name, part in cast("dict[str, Any]", schema).items()
        if name not in ("title", "description") or not isinstance(part, str)
    }


def _syntax(function: Callable[..., Any]) -> str:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError):  # no source here: made by exec, or shipped without
        return _compiled(function.__code__)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return _dump(tree)


def _dump(node: object) -> str:
    """As ``ast.dump``, but without what is empty: each Python knows some more fields, and shows them otherwise."""
    if isinstance(node, list):
        return f"[{','.join([_dump(each) for each in cast('list[object]', node)])}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = [f"{name}={_dump(value)}" for name, value in ast.iter_fields(node) if value is not None and value != []]
    return f"{type(node).__name__}({','.join(fields)})"


def _compiled(code: Any) -> str:
    """The instructions with their constants; the order of a set is another one in every process."""
    constants: list[object] = []
    for each in code.co_consts:
        is_set = type(each) is frozenset
        members = sorted([repr(member) for member in cast("frozenset[object]", each)]) if is_set else repr(each)
        constants.append(_compiled(each) if inspect.iscode(each) else members)
    return repr((code.co_code, code.co_names, constants))
