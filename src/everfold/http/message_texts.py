"""What the documentation says about a command or query: from its docstring and its route. Used by their routes."""

from __future__ import annotations

import inspect
import re

__all__ = ["PATH_FIELD", "group_of", "summary_of", "text_of"]

PATH_FIELD = re.compile(r"{([^{}]*)}")
_WORD_BEGINS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def summary_of(message: type) -> str:
    """One line: the first of its docstring, or its name in words."""
    text = text_of(message).partition("\n")[0].rstrip(".")
    return text or _WORD_BEGINS.sub(" ", message.__name__).capitalize()


def text_of(message: type) -> str:
    """Its docstring."""
    return inspect.cleandoc(message.__doc__ or "")


def group_of(path: str) -> str:
    """Under which heading a route of its own is documented: the first part of its path."""
    first = path.strip("/").partition("/")[0]
    return first if first and "{" not in first else "root"
