"""What can go wrong between the log and an answer. Raised by projections and queries."""

from __future__ import annotations

from everfold.errors.root import EverfoldError

__all__ = ["ProjectionFailed", "ReadModelBehind", "ReadModelNotReady"]


class ProjectionFailed(EverfoldError):
    """A projection could not apply an event: its handler raised, or its row could not be stored.

    In a command (inline read models): nothing was stored. Otherwise the event is retried, then parked: mend the
    handler or the event and retry it (``everfold parked``).
    """

    code = "projection-failed"

    def __init__(self, projection: str, problem: str, *, position: int, stream: str, event_type: str) -> None:
        super().__init__(
            f"The projection {projection!r} failed at position {position} (stream {stream!r}, type {event_type!r}): "
            f"{problem}"
        )
        self.projection = projection
        self.problem = problem
        self.position = position
        self.stream = stream
        self.event_type = event_type


class ReadModelBehind(EverfoldError):
    """A query waited for a position (``after=``) and its read model did not get there in time.

    The command it waited for is stored. Ask again later, with a longer timeout, or without ``after``.
    """

    code = "read-model-behind"

    def __init__(self, projection: str, *, wanted: int, reached: int, why: str) -> None:
        super().__init__(
            f"The read model of {projection!r} is at position {reached} and not yet at {wanted}: {why} "
            "What was written is stored; ask again."
        )
        self.projection = projection
        self.wanted = wanted
        self.reached = reached


class ReadModelNotReady(EverfoldError):
    """A read model has a new shape that is still being built, and the old one does not have what is asked."""

    code = "read-model-not-ready"
