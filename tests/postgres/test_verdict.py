"""The verdict names every anomaly when it sees one, and nothing else."""

from collections.abc import Callable

import msgspec
import pytest

from everfold.log.record import Record
from tests.postgres.journal import Entry, mark
from tests.postgres.verdict import History, violations

Log = list[Record]


def log_of(*rows: tuple[str, str, int, str]) -> Log:
    """Records from (id, stream, version, tag), of which each write has one."""
    return [
        Record(position, stream, version, "tried", 1, id, 0, '{"of": 1}', "{}", (tag,) if tag else ())
        for position, (id, stream, version, tag) in enumerate(rows, 1)
    ]


LOG = log_of(("a#1.0", "s", 1, ""), ("b#1.0", "s", 2, ""), ("c#2.0", "t", 1, "seat"), ("d#1.0", "t", 2, ""))
JOURNAL: list[Entry] = [
    [1, "begun", "a", {"s": 1}, {"s": 0}, "", 0, 1],
    [2, "stored", "a", 1, 1, 1],
    [3, "begun", "b", {"s": 1}, {"s": 1}, "", 0, 1],
    [3, "begun", "stale", {"s": 1}, {"s": 1}, "", 0, 1],
    [4, "stored", "b", 1, 2, 2],
    [5, "conflict", "stale", 1, "somebody was faster"],
    [6, "begun", "c", {"t": 1}, {}, "seat", 0, 1],
    [7, "unknown", "c", 1, "the server was killed"],
    [8, "begun", "c", {"t": 1}, {}, "seat", 0, 2],
    [9, "stored", "c", 2, 3, 3],
    [10, "begun", "failing", {"t": 1}, {}, "", 0, 1],
    [11, "failed", "failing", 1, "StoreUnavailable", "no server"],
    [12, "begun", "d", {"t": 1}, {}, "", 0, 1],  # and its process was killed
]


def found(journal: list[Entry] = JOURNAL, log: Log = LOG, seen: list[Record] | None = None) -> set[str]:
    history = History()
    history.add("writer", journal)
    history.add("follower", [[20, "seen", [mark(record) for record in (log if seen is None else seen)]]])
    return {violation.partition(":")[0] for violation in violations(history, log)}


def test_a_sound_history_is_sound_whatever_became_of_the_unknown() -> None:
    assert found() == set()
    assert found(log=LOG[:3]) == set()


def changed(position: int, **fields: object) -> Log:
    """The log with one record different."""
    return [msgspec.structs.replace(each, **fields) if each.position == position else each for each in LOG]


LATE = [[50, *entry[1:]] if entry[1:3] == ["begun", "a"] else entry for entry in JOURNAL]
TWICE = [*LOG, msgspec.structs.replace(LOG[2], position=5, version=3, id="c#1.0")]
OVERTAKEN = log_of(("a#1.0", "s", 1, ""), ("e#1.0", "s", 2, ""), ("b#1.0", "s", 3, ""))
RIVAL = log_of(("x#1.0", "r", 1, "seat"), *((each.id, each.stream, each.version, "seat") for each in LOG))


@pytest.mark.parametrize(
    ("anomaly", "finding"),
    [
        ("A1", lambda: found(log=LOG[:2])),
        ("A2", lambda: found(log=changed(4, id="failing#1.0"))),
        ("A2", lambda: found(log=changed(4, id="stale#1.0"))),
        ("A2", lambda: found(log=changed(4, id="never#1.0"))),
        ("A3", lambda: found(log=TWICE)),
        ("A3", lambda: found(log=changed(4, id="b#1.0"))),
        ("A4", lambda: found(log=changed(4, data='{"of": 2}'))),
        ("A5", lambda: found(log=changed(2, version=7))),
        ("A5", lambda: found(log=[LOG[0], *LOG[2:]])),
        ("A6", lambda: found(log=OVERTAKEN)),
        ("A7", lambda: found(log=RIVAL)),
        ("A8", lambda: found(seen=changed(2, data="{}"))),
        ("A9", lambda: found(seen=[LOG[0], *LOG[2:]])),
        ("A10", lambda: found(seen=[LOG[0], *LOG])),
        ("A10", lambda: found(seen=[LOG[1], LOG[0], *LOG[2:]])),
        ("A11", lambda: found(seen=changed(2, id="undone#1.0"))),
        ("A13", lambda: found(LATE)),
        ("A14", lambda: found(seen=LOG[:3])),
        ("I7", lambda: found(log=[LOG[0]])),
    ],
)
def test_every_anomaly_is_named(anomaly: str, finding: Callable[[], set[str]]) -> None:
    assert anomaly in finding()
