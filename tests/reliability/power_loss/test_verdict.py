"""The verdict knows every anomaly when it sees one, and nothing else."""

import pytest
from msgspec.structs import replace

from everfold.log.checkpoint import Checkpoint
from everfold.log.record import NewRecord
from everfold.log.write import Appended, Conflicted, StreamAppend, Write
from tests.reliability.power_loss.history import Content, History
from tests.reliability.power_loss.verdict import Kind, verdict


def history() -> History:
    """Two records and a checkpoint, a refused record, and one more record that was not acknowledged in time."""
    found = History()
    ids = (("one", "two"), ("refused",), ("late",))
    parts = [StreamAppend("a-1", tuple(NewRecord("made", 1, id, "{}") for id in names)) for names in ids]
    writes = [Write(appends=(part,), checkpoints=(Checkpoint("mailer", 5),)) for part in parts]
    found.add(writes, [Appended(1, 2, 10, (2,)), Conflicted("stale"), Appended(3, 3, 11, (3,))])
    return found


def kinds(content: Content) -> set[Kind]:
    return {violation.kind for violation in verdict(content, history(), acknowledged=2, started=2)}


FULL = history().contents[2]
REFUSED = replace(FULL.records[0], position=3, version=3, id="refused")


def test_the_acknowledged_content_is_fine_with_and_without_what_was_under_way() -> None:
    assert kinds(FULL) == set()
    late = history().contents[3]
    assert verdict(late, history(), acknowledged=2, started=3) == []
    assert kinds(late) == {Kind.PHANTOM}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (Content(), {Kind.LOST}),
        (replace(FULL, head=1, records=FULL.records[:1]), {Kind.LOST, Kind.TORN}),
        (replace(FULL, records=FULL.records[1:]), {Kind.GAP, Kind.LOST, Kind.TORN}),
        (replace(FULL, head=3), {Kind.GAP}),
        (replace(FULL, head=3, records=(*FULL.records, REFUSED)), {Kind.PHANTOM}),
        (replace(FULL, checkpoints={}), {Kind.STRAY}),
        (replace(FULL, checkpoints={"mailer": 4}), {Kind.STRAY}),
    ],
)
def test_every_anomaly_is_named(content: Content, expected: set[Kind]) -> None:
    assert kinds(content) == expected
