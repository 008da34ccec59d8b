"""Which application a command means: ``--app``, else ``EVERFOLD_APP``, else ``app = "..."`` in the settings file."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from everfold.cli.suggestions import did_you_mean
from everfold.errors import ConfigurationError

if TYPE_CHECKING:
    from everfold.app.application import App

__all__ = ["app_option", "configured_app", "find_app"]

F = TypeVar("F", bound=Callable[..., Any])
VARIABLE = "EVERFOLD_APP"


def app_option(command: F) -> F:
    """``--app MODULE:NAME``."""
    return click.option("--app", "app_name", metavar="MODULE:NAME", help="The application, as in shop.app:app.")(
        command
    )


def configured_app() -> str | None:
    """What the environment or the settings file names, if they do."""
    if named := os.environ.get(VARIABLE):
        return named
    path = Path(os.environ.get("EVERFOLD_CONFIG") or "everfold.toml")
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("app")
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return None  # reading the settings tells what is wrong with the file
    if found is not None and not isinstance(found, str):
        raise ConfigurationError(f'{path}: app has to be text such as "shop.app:app".')
    return found


def find_app(given: str | None) -> App:
    """Import the application; ConfigurationError when there is none, or not there."""
    named = given or configured_app()
    if not named:
        raise ConfigurationError(
            f'This needs an application. Give --app MODULE:NAME, set {VARIABLE}, or write app = "MODULE:NAME" in '
            "everfold.toml."
        )
    module_name, _, attribute = named.partition(":")
    module = _module(module_name, named)
    return _app_in(module, attribute or "app", named)


def _module(name: str, named: str) -> object:
    if not all(part.isidentifier() for part in name.split(".")):
        raise ConfigurationError(f"{named!r} does not name an application. It has the form MODULE:NAME: shop.app:app.")
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


def _app_in(module: object, attribute: str, named: str) -> App:
    from everfold.app.application import App

    there = {name: value for name, value in vars(module).items() if isinstance(value, App)}
    found = getattr(module, attribute, None)
    if isinstance(found, App):
        return found
    hint = did_you_mean(attribute, there) or (f" It has {', '.join(there)}." if there else "")
    problem = "no such name in the module" if found is None else f"a {type(found).__name__} and not an App"
    raise ConfigurationError(f"{named!r} is not an application: {problem}.{hint}")
