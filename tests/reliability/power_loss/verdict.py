"""Holds what a store contains after a power cut against what it acknowledged. Pure."""

from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple

from everfold.log.write import Appended
from tests.reliability.power_loss.history import Content, History

__all__ = ["Kind", "Violation", "verdict"]


class Kind(Enum):
    """The anomalies of the catalogue that a power cut could cause."""

    UNOPENED = "the store cannot be opened"
    DAMAGED = "the store is damaged"
    LOST = "an acknowledged append is lost (A1)"
    PHANTOM = "a refused append is there, or one that was never made (A2)"
    TORN = "a part of an append is there (A4)"
    GAP = "positions or versions are not contiguous (A5)"
    STUCK = "the store does not go on as it should (I3)"
    STRAY = "a reply, checkpoint or snapshot does not belong to the appends (I12, I15)"


class Violation(NamedTuple):
    """One broken promise."""

    kind: Kind
    detail: str

    def __str__(self) -> str:
        return f"{self.kind.value}: {self.detail}"


def verdict(content: Content, history: History, *, acknowledged: int, started: int) -> list[Violation]:
    """What is wrong, given that this many writes were acknowledged and started before the cut."""
    if any(content == history.contents[count] for count in range(started, acknowledged - 1, -1)):
        return []
    violations = [
        *_misplaced(content),
        *_misjudged(content, history, acknowledged=acknowledged, started=started),
    ]
    reason = f"no prefix of the history has this content: {content}"
    return violations or [Violation(Kind.STRAY, reason)]


def _misplaced(content: Content) -> Iterator[Violation]:
    positions = [record.position for record in content.records]
    if positions != list(range(1, content.head + 1)):
        yield Violation(Kind.GAP, f"the head is {content.head} and the positions are {positions}")
    versions: dict[str, int] = {}
    for record in content.records:
        before = versions.get(record.stream, 0)
        if record.version != before + 1:
            yield Violation(Kind.GAP, f"{record.stream} has version {record.version} behind {before}")
        versions[record.stream] = record.version


def _misjudged(content: Content, history: History, *, acknowledged: int, started: int) -> Iterator[Violation]:
    stored = {record.id for record in content.records}
    allowed: set[str] = set()
    for number, outcome in enumerate(history.outcomes):
        if not isinstance(outcome, Appended):
            continue
        ids = history.ids_of(number)
        if number < started:
            allowed |= ids
        if number < acknowledged and _is_missing(content, history, number):
            yield Violation(Kind.LOST, f"write {number + 1} of {acknowledged} acknowledged ones")
        if ids & stored and _is_missing(content, history, number):
            yield Violation(Kind.TORN, f"write {number + 1}: {sorted(ids & stored)} of {sorted(ids)}")
    if stored - allowed:
        yield Violation(Kind.PHANTOM, f"{sorted(stored - allowed)}")


def _is_missing(content: Content, history: History, number: int) -> bool:
    """Whether a record, a tag or the reply of this write is not there exactly as it was acknowledged."""
    before, after = history.contents[number : number + 2]
    new = after.records[len(before.records) :]
    tags = set(after.tags) - set(before.tags)
    replies = after.replies.items() - before.replies.items() if after.replies != before.replies else ()
    return not (
        set(new) <= set(content.records)
        and tags <= set(content.tags)
        and all(content.replies.get(key) == reply for key, reply in replies)
    )
