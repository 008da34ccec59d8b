"""The power cuts keep and lose what a disk may keep and lose."""

import random

from tests.reliability.power_loss.disk import Disk, Images
from tests.reliability.power_loss.power_cut import cut, fixed_cuts, is_settled
from tests.reliability.power_loss.trace import Created, Deleted, DirectorySynced, Synced, Truncated, Wrote

CERTAIN = b"-" * 1024


def disk(*operations: Wrote | Truncated) -> Disk:
    """A synced file, and what was done to it since."""
    found = Disk()
    for operation in (Created("f"), Wrote("f", 0, CERTAIN), Synced("f"), DirectorySynced(), *operations):
        found.apply(operation)
    return found


def every(found: Disk, numbers: range) -> list[Images]:
    return [cut(found, number, random.Random(number)) for number in numbers]


def test_what_is_synced_survives_every_cut() -> None:
    assert is_settled(disk())
    assert fixed_cuts(disk()) == 1
    assert every(disk(), range(1)) == [{"f": CERTAIN}]


def test_the_fixed_cuts_keep_nothing_everything_and_each_single_operation() -> None:
    uncertain = disk(Wrote("f", 0, b"a"), Wrote("f", 1024, b"b"), Truncated("f", 4))
    assert fixed_cuts(uncertain) == 5
    contents = [CERTAIN, b"a---", b"a" + CERTAIN[1:], CERTAIN + b"b", b"----"]
    assert every(uncertain, range(5)) == [{"f": content} for content in contents]


def test_the_folder_may_lag_behind() -> None:
    found = disk()
    for operation in (Deleted("f"), Created("g"), Wrote("g", 0, b"new"), Synced("g")):
        found.apply(operation)
    assert not is_settled(found)
    old, both, new = {"f": CERTAIN}, {"f": CERTAIN, "g": b"new"}, {"g": b"new"}
    random_cuts = every(found, range(4, 200))
    assert every(found, range(4)) == [old, new, new, old]
    assert all(state in random_cuts for state in (old, both, new, {}))


def test_random_cuts_tear_at_sectors_and_reorder() -> None:
    uncertain = disk(Wrote("f", 0, b"a" * 1024), Wrote("f", 0, b"b" * 1024))
    contents = [images["f"] for images in every(uncertain, range(4, 400))]
    assert all(content[at : at + 512] == content[at : at + 1] * 512 for content in contents for at in (0, 512))
    found = {content[::512] for content in contents}
    assert found == {first + second for first in (b"-", b"a", b"b") for second in (b"-", b"a", b"b")}


def test_only_a_part_that_was_never_written_may_hold_anything() -> None:
    uncertain = disk(Wrote("f", 0, b"a" * 1024), Wrote("f", 1024, b"b" * 512))
    contents = [images["f"] for images in every(uncertain, range(4, 400))]
    assert all(set(content[:1024]) <= set(b"-a") for content in contents)
    assert any(set(content[1024:]) - set(b"\0b") for content in contents)
