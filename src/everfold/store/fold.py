"""Folding: from records to state. The replay path of every load; used by boundaries and time travel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from everfold.codec.pipeline import Codec
from everfold.domain.decision import Evolutions, broken_evolve
from everfold.errors import EverfoldError
from everfold.log.record import Record

__all__ = ["fold"]


def fold(state: Any, records: Sequence[Record], codec: Codec, evolutions: Evolutions) -> None:
    """Evolve the state by the events of the records, in order; an error names the position it happened at."""
    event: object = None
    record: Record | None = None
    try:
        for event, record in codec.pairs(records):  # noqa: B007 (the error below names it)
            evolutions[type(event)](state, event)
    except EverfoldError:
        raise
    except Exception as error:
        failure = broken_evolve(state, event, evolutions, error)
        where = f"{record.stream!r} at position {record.position}" if record else "the log"
        failure.add_note(f"It happened while {where} was replayed.")
        raise failure from error
