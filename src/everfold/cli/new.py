"""``everfold new``: writes a small project that runs and whose tests pass. Its files lie in ``new_project``."""

from __future__ import annotations

import keyword
import sys
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

import click

from everfold.cli.output import note, quiet_option, show
from everfold.errors import ConfigurationError

__all__ = ["new"]

SUFFIX = ".txt"
"""The files carry it so that no tool takes them for code of ours."""
HIDDEN = {"gitignore": ".gitignore"}
TAKEN = {"everfold", "tests", "test", "app", "msgspec", "pytest", "click", "rich", "sqlalchemy"}


@click.command(short_help="Write a small project that runs.")
@click.argument("name")
@quiet_option
def new(name: str) -> None:
    """Write a small project into the new folder NAME: a domain, a read model, an app, tests, settings.

    Overwrites nothing: the folder must not exist, or be empty.
    """
    package = _package(Path(name).name)
    folder = Path(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigurationError(f"{folder} exists and is not an empty folder. Nothing was written; give another name.")
    words = {"__project__": package, "__distribution__": package.replace("_", "-")}
    written = _write(files("everfold.cli").joinpath("new_project"), folder, words)
    for path in written:
        show(str(path))
    note(f"\nNow:\n  cd {folder}\n  python -m {package}\n  pytest\n  everfold query list-stock")


def _package(name: str) -> str:
    package = name.replace("-", "_").replace(" ", "_").lower()
    if not package.isidentifier() or not package.isascii() or keyword.iskeyword(package):
        raise ConfigurationError(
            f"{name!r} cannot name a Python package. Use letters, digits and dashes, as in my-shop."
        )
    if package in TAKEN or package in sys.stdlib_module_names:
        raise ConfigurationError(f"A package {package!r} would hide the one that exists. Give another name.")
    return package


def _write(source: Traversable, target: Path, words: dict[str, str]) -> list[Path]:
    target.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for entry in sorted(source.iterdir(), key=lambda entry: (entry.is_dir(), entry.name)):
        if entry.is_dir() and entry.name != "__pycache__":
            written += _write(entry, target / _filled(entry.name, words), words)
        elif entry.name.endswith(SUFFIX):
            name = entry.name.removesuffix(SUFFIX)
            path = target / HIDDEN.get(name, name)
            path.write_text(_filled(entry.read_text(encoding="utf-8"), words), encoding="utf-8")
            written.append(path)
    return written


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text
