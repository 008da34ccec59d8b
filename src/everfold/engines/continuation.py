"""Whether records continue a log as if they had been appended to it. Used by every engine to restore."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from everfold.errors import StoreError
from everfold.log.record import Record

__all__ = ["check_continues"]


def check_continues(records: Sequence[Record], *, head: int, recorded: int, version: Callable[[str], int]) -> None:
    """Refuse records that leave a gap, repeat something or go back in time.

    ``head`` and ``recorded``: the newest position of the log and its time; ``version``: that of any stream.
    """
    versions: dict[str, int] = {}
    for record in records:
        head += 1
        if record.position != head:
            raise _refusal(record, f"the next position is {head}")
        expected = versions.get(record.stream, version(record.stream)) + 1
        if record.version != expected:
            raise _refusal(record, f"the next version of the stream {record.stream!r} is {expected}")
        if record.recorded < recorded:
            raise _refusal(record, "it is older than the record before it")
        versions[record.stream] = expected
        recorded = record.recorded


def _refusal(record: Record, why: str) -> StoreError:
    return StoreError(
        f"The record at position {record.position} ({record.stream!r}, version {record.version}) does not continue "
        f"the log: {why}. Nothing was stored. Restore all records of a log, in order, into an empty store."
    )
