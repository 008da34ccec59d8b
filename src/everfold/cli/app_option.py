"""Which application a command means: ``--app``, else ``EVERFOLD_APP``, else ``app = "..."`` in the settings file."""

from __future__ import annotations

import os
import sys
import tomllib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from everfold.cli.named_object import find_object
from everfold.errors import ConfigurationError

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.http.api import HttpApi

__all__ = ["app_option", "configured_app", "find_app", "find_service"]

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


def named_app(given: str | None) -> str:
    """Which one is meant; ConfigurationError when nothing says so."""
    named = given or configured_app()
    if not named:
        raise ConfigurationError(
            f'This needs an application. Give --app MODULE:NAME, set {VARIABLE}, or write app = "MODULE:NAME" in '
            "everfold.toml."
        )
    return named


def find_app(given: str | None) -> App:
    """Import the application; ConfigurationError when there is none, or not there."""
    found = find_service(given)
    from everfold.app.application import App

    return found if isinstance(found, App) else found.app


def find_service(given: str | None) -> App | HttpApi:
    """Import the application, or the HTTP API of one, which a module may hold instead."""
    from everfold.app.application import App

    named = named_app(given)
    try:
        return find_object(named, App, "an application", example="shop.app:app", default="app")
    except ConfigurationError:
        module = sys.modules.get("everfold.http.api")  # without it there can be none
        if module is not None:
            api: type[HttpApi] = module.HttpApi
            with suppress(ConfigurationError):
                return find_object(named, api, "an HTTP API", example="shop.web:api", default="api")
        raise
