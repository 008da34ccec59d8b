"""Events set aside as JSON, the same for every face. Used by cli and http."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from everfold.clock import from_micros

if TYPE_CHECKING:  # the command line starts without the read side
    from everfold.subscriptions.bookkeeping import Parked

__all__ = ["ParkedJson", "parked_json"]


class ParkedJson(msgspec.Struct, frozen=True):
    """The JSON shape of an event that a projection gave up on. Stable: fields are only ever added."""

    projection: str
    position: int
    stream: str
    type: str
    attempts: int
    error: str
    parked: datetime
    """When it was tried last."""


def parked_json(parked: Parked) -> ParkedJson:
    """The event as a JSON object."""
    return ParkedJson(
        projection=parked.name,
        position=parked.position,
        stream=parked.stream,
        type=parked.type,
        attempts=parked.attempts,
        error=parked.error,
        parked=from_micros(parked.parked),
    )
