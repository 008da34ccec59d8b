"""The arguments of ``python -m benchmarks``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

__all__ = ["Options", "parse"]

ROUNDS = 5
EXAMPLES = """examples:
  make bench ARGS="--only catch_up --only rebuild"
  python -m benchmarks --only inline --rounds 9 --json > inline.json
  python -m benchmarks --quick
  EVERFOLD_BENCH_POSTGRES=postgresql://me@host/db make bench ARGS="--only postgres_commands"

The sides of a work are measured in turns, so that other work on the machine meets all of them alike; the ratios are
worth more than the figures. What each work does, and leaves out, stands at the head of its file in benchmarks/."""


class Options(msgspec.Struct, frozen=True):
    """What to measure, where, and how to tell it."""

    only: tuple[str, ...]
    rounds: int
    is_quick: bool
    is_json: bool
    folder: Path | None
    uses_uvloop: bool


def parse(arguments: Sequence[str], works: Mapping[str, str]) -> Options:
    """The options; argparse ends the program when one is wrong. ``works``: what each of them measures."""
    width = max(map(len, works))
    listed = "\n".join(f"  {name:<{width}}  {about}" for name, about in works.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="How fast everfold is, beside the bare driver and beside a peer.",
        epilog=f"works:\n{listed}\n\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--only", metavar="NAME", action="append", choices=works, help="run this work only; may be repeated"
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
