"""What a command replies with, or a query is answered: the R of ``Command[R]`` and ``Query[R]``, at run time."""

from __future__ import annotations

import typing
from functools import cache
from typing import Any

from everfold.domain.command import Command
from everfold.domain.query import Query

__all__ = ["reply_type"]

_ROOTS = (Command, Query)


def reply_type(message: Any) -> Any:
    """The declared type of the replies; ``Any`` when the message was declared without."""
    return _reply_type(message)


@cache
def _reply_type(message: Any) -> Any:
    generic: Any = message.__dict__.get("__orig_bases__", ())
    for base in generic:
        if typing.get_origin(base) in _ROOTS:
            return typing.get_args(base)[0]
    bases: list[Any] = [base for base in message.__bases__ if issubclass(base, _ROOTS) and base not in _ROOTS]
    return _reply_type(bases[0]) if bases else Any
