"""Events as a consumer is given them: without those it is to skip, and with the fields that somebody mended.

Used wherever events are applied or handled. The records in the log stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from everfold.log.record import Record
from everfold.subscriptions.bookkeeping import Amended

__all__ = ["amend"]


def amend(records: Sequence[Record], amended: Mapping[int, Amended]) -> Sequence[Record]:
    """The records as amended; the very same ones when nothing is. ``amended``: by position."""
    if not amended:
        return records
    seen: list[Record] = []
    for record in records:
        change = amended.get(record.position)
        if change is None:
            seen.append(record)
        elif change.data is not None:
            seen.append(msgspec.structs.replace(record, data=change.data))
    return seen
