"""Finds what ``MODULE:NAME`` names in the user's code, here or among the installed modules.

Used by ``--app`` and ``import``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import TypeVar

from everfold.cli.suggestions import did_you_mean
from everfold.errors import ConfigurationError

__all__ = ["find_object"]

T = TypeVar("T")


def find_object(named: str, kind: type[T], what: str, *, example: str, default: str = "") -> T:
    """Import it; ConfigurationError when it is not there, or something else.

    ``what`` is as in ``an import``; ``default`` is the name meant when only a module is given.
    """
    module_name, _, attribute = named.partition(":")
    attribute = attribute or default
    if not attribute or not all(part.isidentifier() for part in module_name.split(".")):
        raise ConfigurationError(f"{named!r} does not name {what}. It has the form MODULE:NAME, as in {example}.")
    module = _module(module_name)
    found = getattr(module, attribute, None)
    if isinstance(found, kind):
        return found
    there = [name for name, value in vars(module).items() if isinstance(value, kind)]
    hint = did_you_mean(attribute, there) or (f" It has {', '.join(there)}." if there else "")
    problem = "no such name in the module" if found is None else f"it is of type {type(found).__name__}"
    raise ConfigurationError(f"{named!r} is not {what}: {problem}.{hint}")


def _module(name: str) -> object:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ConfigurationError(
                f"There is no module {name!r} here ({here}) or among the installed ones."
            ) from error
        raise
