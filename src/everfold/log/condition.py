"""Conditions: what must hold for an append, beside the expected versions of its streams."""

from __future__ import annotations

import msgspec

from everfold.log.selection import Selection

__all__ = ["Condition"]


class Condition(msgspec.Struct, frozen=True):
    """A decision read these records up to this position; the append must fail if there are newer ones.

    This is the append condition of dynamic consistency boundaries (dcb.events): it is judged by the engine
    under the writer's lock, in the transaction that writes.
    """

    selection: Selection
    """The records the decision depended on."""
    after: int
    """The last position the decision knew of; a selected record beyond it is a conflict."""
