"""Holds what processes were told of their appends, and what readers saw, against the log. Pure.

The anomalies have the names of the catalogue (docs/promises.md).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import msgspec

from everfold.log.record import Record
from tests.postgres.journal import Entry, mark

__all__ = ["History", "Try", "violations"]

UNDER_WAY = "under way"


class Try(msgspec.Struct, kw_only=True):
    """One try of one write, and what its caller was told."""

    key: str
    number: int
    begun: int
    parts: dict[str, int]
    expected: dict[str, int]
    tag: str
    after: int
    ended: int = 0
    outcome: str = UNDER_WAY
    """stored, repeated, conflict, failed, unknown; under way: its process was killed."""
    first: int = 0
    last: int = 0
    said: str = ""

    @property
    def is_acknowledged(self) -> bool:
        """Whether its caller was told that it is stored, now or earlier."""
        return self.outcome in {"stored", "repeated"}


class History:
    """All tries of all writes, and what each reader saw in order."""

    def __init__(self) -> None:
        self.tries: dict[str, list[Try]] = defaultdict(list)
        self.seen: dict[str, list[list[int | str]]] = {}
        self.unread: list[str] = []

    def add(self, name: str, entries: Iterable[Entry]) -> None:
        """Take in a process's journal."""
        for moment, kind, *facts in entries:
            if kind == "seen":
                self.seen.setdefault(name, []).extend(facts[0])
            elif kind == "unread":
                self.unread.append(facts[0])
            elif kind == "begun":
                key, parts, expected, tag, after, number = facts
                self.tries[key].append(
                    Try(key=key, number=number, begun=moment, parts=parts, expected=expected, tag=tag, after=after)
                )
            else:
                self._end(moment, kind, *facts)

    def _end(self, moment: int, kind: str, key: str, number: int, *facts: int | str) -> None:
        (found,) = (each for each in self.tries[key] if each.number == number)
        found.ended, found.outcome = moment, kind
        if kind in {"stored", "repeated"}:
            found.first, found.last = (int(fact) for fact in facts)
        else:
            found.said = ": ".join(map(str, facts))

    def told(self, *outcomes: str) -> list[Try]:
        """The tries whose callers were told this."""
        return [each for tries in self.tries.values() for each in tries if each.outcome in outcomes]

    @property
    def unresolved(self) -> list[Try]:
        """The last tries of what nobody was told a certain outcome of."""
        return [tries[-1] for tries in self.tries.values() if tries[-1].outcome in {UNDER_WAY, "unknown"}]


def violations(history: History, log: Sequence[Record]) -> list[str]:
    """What is wrong; each with the name of its anomaly in front."""
    stored: dict[str, dict[int, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in log:
        key, _, place = record.id.partition("#")
        stored[key][int(place.partition(".")[0])].append(record)
    found = [*_misplaced(log), *_misread(history.seen, log), *_misordered(history)]
    for key in history.tries.keys() | stored.keys():
        found += _misjudged(key, history.tries.get(key, []), stored.get(key, {}))
    return [*found, *_broken(history, stored, log), *_needless(history, log)]


def _misplaced(log: Sequence[Record]) -> Iterator[str]:
    if [record.position for record in log] != list(range(1, len(log) + 1)):
        yield "A5: the positions are not contiguous"
    if (ids := Counter(record.id for record in log)) and (double := [id for id, count in ids.items() if count > 1]):
        yield f"A3: stored twice: {double[:3]}"
    reached: Counter[str] = Counter()
    for record in log:
        reached[record.stream] += 1
        if record.version != reached[record.stream]:
            yield f"A5: {record.stream} has version {record.version} as number {reached[record.stream]}"


def _misread(seen: Mapping[str, Sequence[Sequence[int | str]]], log: Sequence[Record]) -> Iterator[str]:
    marks = {record.position: mark(record) for record in log}
    ids = {record.id for record in log}
    for name, sequence in seen.items():
        positions = [int(position) for position, _, _ in sequence]
        if any(later <= earlier for earlier, later in pairwise(positions)):
            yield f"A10: {name} was given something twice, or went back"
        if strangers := [id for _, id, _ in sequence if id not in ids]:
            yield f"A11: {name} saw what is not stored: {strangers[:3]}"
        elif changed := [each for each in sequence if list(each) != marks.get(int(each[0]))]:
            yield f"A8: {name} saw something else at a position: {changed[:3]}"
        end = max(positions, default=0)
        if passed := set(range(1, end + 1)) - set(positions):
            yield f"A9: {name} passed over {sorted(passed)[:3]}"
        if end < len(log):
            yield f"A14: {name} was never given {end + 1} to {len(log)}"


def _misjudged(key: str, tries: Sequence[Try], stored: Mapping[int, Sequence[Record]]) -> Iterator[str]:
    if len(stored) > 1:
        yield f"A3: {key} took effect in several tries: {sorted(stored)}"
    if unheard := stored.keys() - {each.number for each in tries}:
        yield f"A2: {key} is stored, and try {sorted(unheard)} was never made"
    for each in tries:
        records = stored.get(each.number, ())
        if records and not _is_whole(records):
            yield f"A4: {key} is not stored in one piece"
        if each.outcome == "stored" and not records:
            yield f"A1: {key} was acknowledged and is lost"
        if each.outcome in {"conflict", "failed", "repeated"} and records:
            yield f"A2: try {each.number} of {key} is stored, and its caller was told: {each.outcome} {each.said}"
        if each.is_acknowledged:
            places = sorted(record.position for several in stored.values() for record in several)
            if places and (places[0], places[-1]) != (each.first, each.last):
                yield f"A8: {key} is at {places[0]} and was acknowledged at {each.first}"
            if not places and each.outcome == "repeated":
                yield f"A1: {key} was acknowledged again and is lost"


def _is_whole(records: Sequence[Record]) -> bool:
    total = int(json.loads(records[0].data)["of"])
    numbers = [int(record.id.rpartition(".")[2]) for record in records]
    return numbers == list(range(total)) and records[-1].position - records[0].position == total - 1


def _misordered(history: History) -> Iterator[str]:
    """A13: whatever was begun after something was acknowledged comes behind it."""
    latest, newest = 0, ""
    acknowledged = [tries for tries in history.tries.values() if tries[-1].is_acknowledged]
    for tries in sorted(acknowledged, key=lambda tries: tries[-1].first):
        if tries[-1].ended < latest:
            yield f"A13: {tries[-1].key} was acknowledged before {newest} began, and comes behind it"
        if tries[0].begun > latest:
            latest, newest = tries[0].begun, tries[0].key


def _broken(
    history: History, stored: Mapping[str, Mapping[int, Sequence[Record]]], log: Sequence[Record]
) -> Iterator[str]:
    """A6, A7: expected versions and conditions, judged again in the order of positions."""
    tagged: dict[str, list[int]] = defaultdict(list)
    for record in log:
        for tag in record.tags:
            tagged[tag].append(record.position)
    for key, by_try in stored.items():
        for each in history.tries.get(key, ()):
            records = by_try.get(each.number, ())
            for stream, expected in each.expected.items():
                versions = [record.version for record in records if record.stream == stream]
                if versions and versions[0] != expected + 1:
                    yield f"A6: {key} expected version {expected} of {stream} and was stored as {versions[0]}"
            if each.tag and records:
                rivals = [place for place in tagged[each.tag] if each.after < place < records[0].position]
                if rivals:
                    yield f"A7: {key} is stored, though {each.tag} had {rivals[:3]} behind {each.after}"


def _needless(history: History, log: Sequence[Record]) -> Iterator[str]:
    """Refusals that nothing justifies."""
    reached = Counter(record.stream for record in log)
    newest = {tag: record.position for record in log for tag in record.tags}
    for each in history.told("conflict"):
        is_stale = any(reached[stream] > expected for stream, expected in each.expected.items())
        if not is_stale and newest.get(each.tag, 0) <= each.after:
            yield f"I7: {each.key} was refused and nobody had been faster"
