"""What a command replies with: the R of ``Command[R]``, looked up at run time."""

from __future__ import annotations

import typing
from functools import cache
from typing import Any

from everfold.domain.command import Command

__all__ = ["reply_type"]


def reply_type(command: Any) -> Any:
    """The declared type of the replies; ``Any`` when the command was declared without."""
    return _reply_type(command)


@cache
def _reply_type(command: Any) -> Any:
    generic: Any = command.__dict__.get("__orig_bases__", ())
    for base in generic:
        if typing.get_origin(base) is Command:
            return typing.get_args(base)[0]
    bases: list[Any] = [base for base in command.__bases__ if issubclass(base, Command) and base is not Command]
    return _reply_type(bases[0]) if bases else Any
