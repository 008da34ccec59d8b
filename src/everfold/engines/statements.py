"""Reads named SQL statements from ``.sql`` files, so that no SQL is assembled in Python. Used by the SQL engines.

A file holds statements, each opened by ``-- name: what it is for`` on a line of its own.
"""

from __future__ import annotations

import re
from importlib.resources import files

__all__ = ["load_statements", "load_upgrades"]

_OPENING = re.compile(r"^-- (?P<name>[a-z_]+): .+$", re.MULTILINE)


def load_statements(package: str, file: str = "statements.sql") -> dict[str, str]:
    """Statement text by name, from a ``.sql`` file that lies in the package."""
    text = files(package).joinpath(file).read_text(encoding="utf-8")
    openings = list(_OPENING.finditer(text))
    ends = [opening.start() for opening in openings[1:]] + [len(text)]
    return {
        opening["name"]: text[opening.end() : end].strip().rstrip(";")
        for opening, end in zip(openings, ends, strict=True)
    }


def load_upgrades(package: str) -> list[str]:
    """The upgrade scripts of the package's ``upgrades`` folder, in order of their numbers (from 0001, no gaps)."""
    scripts = sorted(
        (entry for entry in files(package).joinpath("upgrades").iterdir() if entry.name.endswith(".sql")),
        key=lambda entry: entry.name,
    )
    for number, script in enumerate(scripts, start=1):
        if not script.name.startswith(f"{number:04d}_"):
            raise ValueError(f"The upgrade scripts of {package} have a gap before {script.name}.")
    return [script.read_text(encoding="utf-8") for script in scripts]
