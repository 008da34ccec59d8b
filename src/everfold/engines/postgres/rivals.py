"""The conditions of a batch, and the records of the same batch that may break them. Used by ``batch``.

What was stored before is judged in the server. What the batch itself stores before a condition is found here, by tag,
type or stream, so that a batch of many conditions is not compared each with each; whether such a rival was accepted is
known in the server only.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import msgspec

from everfold.engines.pages import END
from everfold.engines.postgres.literals import json_text, numbers
from everfold.log.record import NewRecord
from everfold.log.selection import Selection
from everfold.log.write import Write

__all__ = ["Conditions"]

_Earlier = tuple[int, str, NewRecord]


class Conditions:
    """What the writes of a batch depend on: one entry for each alternative of each condition."""

    def __init__(self, writes: Sequence[Write]) -> None:
        self._seen: dict[tuple[str, str], list[_Earlier]] = defaultdict(list)
        self._records = 0
        self._selections: list[dict[str, object]] = []
        self._writes: list[int] = []
        self._behind: list[int] = []
        self._last_rivals: list[int] = []
        self._rivals: list[int] = []
        for number, write in enumerate(writes, 1):
            if write.condition:
                for part in write.condition.selection.parts:
                    self._add(number, part, write.condition.after)
            self._note(write)

    def _add(self, number: int, selection: Selection, after: int) -> None:
        self._writes.append(number)
        self._behind.append(max(0, min(after, END)))
        self._selections.append(
            {
                "stream": selection.stream,
                "category": selection.category,
                "types": selection.types,
                "tags": selection.tags,
            }
        )
        self._rivals.extend(
            [
                place
                for place, stream, record in reversed(self._candidates(selection))
                if selection.covers(stream, record.type, record.tags)
            ]
        )
        self._last_rivals.append(len(self._rivals))

    def _candidates(self, selection: Selection) -> list[_Earlier]:
        """In the order of the batch; the shortest list that holds all that can fit."""
        if selection.tags:
            return min((self._seen.get(("tag", tag), []) for tag in selection.tags), key=len)
        if selection.stream is not None:
            return self._seen.get(("stream", selection.stream), [])
        if len(selection.types) == 1:
            return self._seen.get(("type", selection.types[0]), [])
        return self._seen.get(("", ""), [])

    def _note(self, write: Write) -> None:
        for append in write.appends:
            for record in append.records:
                self._records += 1
                entry = (self._records, append.stream, record)
                names = [("tag", tag) for tag in dict.fromkeys(record.tags)]
                for name in (*names, ("stream", append.stream), ("type", record.type), ("", "")):
                    self._seen[name].append(entry)

    def arguments(self) -> Iterator[tuple[str, str]]:
        """Of ``append_1``."""
        yield "selections", json_text(msgspec.json.encode(self._selections))
        yield "condition_of", numbers(self._writes)
        yield "behind", numbers(self._behind)
        yield "last_rivals", numbers(self._last_rivals)
        yield "rivals", numbers(self._rivals)
