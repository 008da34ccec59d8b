"""Power cuts: which of the things that were not yet certain a disk keeps. Pure; every cut has a number.

Fixed cuts come first: nothing kept, everything kept, the folder kept without the content and the reverse, each
single operation kept. All further numbers are random: any part of the writes, in any order, torn at sectors.
"""

import itertools
import random
from collections.abc import Callable
from typing import NamedTuple

from tests.reliability.power_loss.disk import Disk, File, Images, perform
from tests.reliability.power_loss.trace import Truncated, Wrote

__all__ = ["cut", "fixed_cuts", "is_settled"]

SECTOR = 512
Pending = list[Wrote | Truncated]


class Piece(NamedTuple):
    """One uncertain operation on one file."""

    file: File
    operation: Wrote | Truncated


def is_settled(disk: Disk) -> bool:
    """Whether so little is uncertain that random cuts would repeat the fixed ones."""
    return not disk.changes and len(_pieces(disk)) == 0


def fixed_cuts(disk: Disk) -> int:
    """How many fixed cuts there are."""
    pieces = len(_pieces(disk))
    if not pieces and not disk.changes:
        return 1
    return 2 + (2 if disk.changes else 0) + (pieces if pieces > 1 else 0)


def cut(disk: Disk, number: int, chance: random.Random) -> Images:
    """The files after the cut of this number; ``chance`` is used by random cuts only."""
    fixed = fixed_cuts(disk)
    if number >= fixed:
        return _images(disk, _random_changes(disk, chance), lambda file: _random_content(file, chance))
    nothing, everything = [False] * len(disk.changes), [True] * len(disk.changes)
    if number == 0:
        return _images(disk, nothing, _content_of([]))
    pieces = _pieces(disk)
    if number == 1:
        return _images(disk, everything, _content_of(pieces))
    if disk.changes and number == 2:
        return _images(disk, everything, _content_of([]))
    if disk.changes and number == 3:
        return _images(disk, nothing, _content_of(pieces))
    single = pieces[number - fixed]  # they come last
    return _images(disk, everything, _content_of([single]))


def _pieces(disk: Disk) -> list[Piece]:
    """What is uncertain about any file that may be found after the cut."""
    files = [*disk.durable.values(), *(change.file for change in disk.changes if change.file)]
    distinct = {id(file): file for file in files}.values()
    return [Piece(file, operation) for file in distinct for operation in file.pending]


def _images(disk: Disk, kept: list[bool], content: Callable[[File], bytes]) -> Images:
    return {name: content(file) for name, file in disk.folder(kept).items()}


def _content_of(pieces: list[Piece]) -> Callable[[File], bytes]:
    return lambda file: _performed(file, [operation for owner, operation in pieces if owner is file])


def _performed(file: File, operations: Pending) -> bytes:
    content = bytearray(file.durable)
    for operation in operations:
        perform(operation, content)
    return bytes(content)


def _random_changes(disk: Disk, chance: random.Random) -> list[bool]:
    """Mostly the first few of them, as journaling file systems keep them; now and then any of them."""
    count = len(disk.changes)
    if chance.random() < 0.25:
        return [chance.random() < 0.5 for _ in range(count)]
    kept = chance.randint(0, count)
    return [number < kept for number in range(count)]


def _random_content(file: File, chance: random.Random) -> bytes:
    pending = file.pending
    if not pending:
        return file.durable
    choose = chance.choice((_some, _all_but_one, _up_to_one, _torn, _torn))
    chosen = choose(pending, chance)
    if chance.random() < 0.5 and not any(isinstance(operation, Truncated) for operation in chosen):
        chance.shuffle(chosen)
    if chance.random() < 0.125:
        chosen = [*_garbage(file, chance), *chosen]
    return _performed(file, chosen)


def _some(pending: Pending, chance: random.Random) -> Pending:
    share = chance.choice((0.1, 0.5, 0.9))
    return [operation for operation in pending if chance.random() < share]


def _all_but_one(pending: Pending, chance: random.Random) -> Pending:
    lost = chance.randrange(len(pending))
    return [*pending[:lost], *pending[lost + 1 :]]


def _up_to_one(pending: Pending, chance: random.Random) -> Pending:
    """The first ones, the last of them torn."""
    *whole, last = pending[: chance.randint(1, len(pending))]
    return [*whole, *_some(_sectors(last), chance)]


def _torn(pending: Pending, chance: random.Random) -> Pending:
    """Any sectors of any of them."""
    return _some([sector for operation in pending for sector in _sectors(operation)], chance)


def _sectors(operation: Wrote | Truncated) -> Pending:
    """The parts of a write that a disk keeps or loses as a whole."""
    if isinstance(operation, Truncated):
        return [operation]
    name, start, data = operation
    end = start + len(data)
    bounds = [start, *range((start // SECTOR + 1) * SECTOR, end, SECTOR), end]
    return [Wrote(name, low, data[low - start : high - start]) for low, high in itertools.pairwise(bounds)]


def _garbage(file: File, chance: random.Random) -> Pending:
    """A file system may grow a file before it writes the content: until then the new part can hold anything."""
    grown = [operation for operation in file.pending if isinstance(operation, Wrote)]
    return [
        Wrote(operation.name, operation.offset, chance.randbytes(len(operation.data)))
        for operation in grown
        if operation.offset >= len(file.durable)
    ]
