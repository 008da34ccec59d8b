"""everfold: event sourcing and CQRS in plain typed Python. This is the front door: what applications import.

Rooms behind it: ``domain`` (what users write), ``app`` (wiring), ``store``, ``codec``, ``log`` (the port),
``engines``, ``testing``. See ARCHITECTURE.md for the arrows between them.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from everfold.app.application import App
    from everfold.app.done import Done
    from everfold.app.middleware import Envelope, Middleware, Next
    from everfold.codec.metadata import metadata
    from everfold.codec.upcaster import Data, Shape, merge, upcast
    from everfold.domain.aggregate import Aggregate, SnapshotPolicy
    from everfold.domain.command import Command
    from everfold.domain.decision_model import DecisionModel
    from everfold.domain.event import Event, event
    from everfold.domain.handlers import Events, answer, decide, evolve, project
    from everfold.domain.query import Query
    from everfold.domain.read_model import ReadModel
    from everfold.domain.tag import Tag
    from everfold.errors import Conflict, EverfoldError, NotFound, OutcomeUnknown, Rejected
    from everfold.identifiers import Position, Version
    from everfold.log.record import Metadata, Record
    from everfold.log.selection import Selection
    from everfold.projections.page import Page
    from everfold.projections.projection import Projection
    from everfold.projections.table import Table
    from everfold.store.event_store import EventStore
    from everfold.store.repository import Repository

__version__ = "0.1.0"

__all__ = [
    "Aggregate",
    "App",
    "Command",
    "Conflict",
    "Data",
    "DecisionModel",
    "Done",
    "Envelope",
    "Event",
    "EventStore",
    "Events",
    "EverfoldError",
    "Metadata",
    "Middleware",
    "Next",
    "NotFound",
    "OutcomeUnknown",
    "Page",
    "Position",
    "Projection",
    "Query",
    "ReadModel",
    "Record",
    "Rejected",
    "Repository",
    "Selection",
    "Shape",
    "SnapshotPolicy",
    "Table",
    "Tag",
    "Version",
    "answer",
    "decide",
    "event",
    "evolve",
    "merge",
    "metadata",
    "project",
    "upcast",
]

_ROOMS = {
    "Aggregate": "everfold.domain.aggregate",
    "App": "everfold.app.application",
    "Command": "everfold.domain.command",
    "Conflict": "everfold.errors",
    "Data": "everfold.codec.upcaster",
    "DecisionModel": "everfold.domain.decision_model",
    "Done": "everfold.app.done",
    "Envelope": "everfold.app.middleware",
    "Event": "everfold.domain.event",
    "EventStore": "everfold.store.event_store",
    "Events": "everfold.domain.handlers",
    "EverfoldError": "everfold.errors",
    "Metadata": "everfold.log.record",
    "Middleware": "everfold.app.middleware",
    "Next": "everfold.app.middleware",
    "NotFound": "everfold.errors",
    "OutcomeUnknown": "everfold.errors",
    "Page": "everfold.projections.page",
    "Position": "everfold.identifiers",
    "Projection": "everfold.projections.projection",
    "Query": "everfold.domain.query",
    "ReadModel": "everfold.domain.read_model",
    "Record": "everfold.log.record",
    "Rejected": "everfold.errors",
    "Repository": "everfold.store.repository",
    "Selection": "everfold.log.selection",
    "Shape": "everfold.codec.upcaster",
    "SnapshotPolicy": "everfold.domain.aggregate",
    "Table": "everfold.projections.table",
    "Tag": "everfold.domain.tag",
    "Version": "everfold.identifiers",
    "answer": "everfold.domain.handlers",
    "decide": "everfold.domain.handlers",
    "event": "everfold.domain.event",
    "evolve": "everfold.domain.handlers",
    "merge": "everfold.codec.upcaster",
    "metadata": "everfold.codec.metadata",
    "project": "everfold.domain.handlers",
    "upcast": "everfold.codec.upcaster",
}
"""Where each name lives. They are imported when they are first used, so that a domain module loads the domain only."""


def __getattr__(name: str) -> Any:
    """Open the room a name lives in (PEP 562)."""
    room = _ROOMS.get(name)
    if room is None:
        raise AttributeError(f"everfold has no {name!r}. It offers: {', '.join(__all__)}.")
    from importlib import import_module

    value = getattr(import_module(room), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The names that the front door offers."""
    return [*__all__, "__version__"]
