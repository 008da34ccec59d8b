"""The arguments of ``python -m benchmarks``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import msgspec

__all__ = ["Options", "parse"]

ROUNDS = 5


class Options(msgspec.Struct, frozen=True):
    """What to measure, where, and how to tell it."""

    only: tuple[str, ...]
    rounds: int
    is_quick: bool
    is_json: bool
    folder: Path | None
    uses_uvloop: bool


def parse(arguments: Sequence[str], works: Sequence[str]) -> Options:
    """The options; argparse ends the program when one is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Compare speeds; see benchmarks/__init__.py."
    )
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=works, help=f"one of: {', '.join(works)}; may be repeated"
    )
    parser.add_argument("--rounds", type=int, default=None, help=f"how often each side is measured ({ROUNDS})")
    parser.add_argument("--quick", action="store_true", help="tiny counts and one round: does it run at all?")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.add_argument("--dir", type=Path, help="where the databases are made (a temporary folder on a disk)")
    parser.add_argument("--uvloop", action="store_true", help="use uvloop's event loop")
    given = parser.parse_args(arguments)
    if given.rounds is not None and given.rounds < 1:
        parser.error("--rounds is a number from 1")
    return Options(
        only=tuple(given.only or works),
        rounds=given.rounds or (1 if given.quick else ROUNDS),
        is_quick=given.quick,
        is_json=given.json,
        folder=given.dir,
        uses_uvloop=given.uvloop,
    )
