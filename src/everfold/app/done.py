"""What comes back: the outcome of a command that was accepted, and the answer to a query."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeAlias

import msgspec

from everfold.identifiers import Position, Version

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    R = TypeVar("R", default=None)
else:
    from typing import TypeVar

    R = TypeVar("R")

__all__ = ["After", "Answered", "Done", "Place"]


class Done(msgspec.Struct, Generic[R], frozen=True, kw_only=True, gc=False):
    """The command was decided, and what it recorded is durable."""

    reply: R
    """What the decision returned; None for most."""
    position: Position
    """The last position it wrote. Give it to a query (``after=done``) to read your own write."""
    version: Version
    """The version its (first) stream has reached."""
    stream: str | None = None
    events: tuple[object, ...] = ()
    """What was recorded, in order; empty when there was nothing to do."""
    repeated: bool = False
    """The command had been executed before under this idempotency key: all else is the outcome it had then."""


class Answered(msgspec.Struct, Generic[R], frozen=True, kw_only=True, gc=False):
    """The answer to a query, and what it was made from."""

    value: R
    position: Position | None = None
    """It knows everything up to here; None: no projection has answered."""
    version: str | None = None
    """Names the tables it was read from, as they were then: another one whenever they have changed. None: it is not
    known what was read."""


After: TypeAlias = Done[Any] | Position | int | None
"""What an answer must know: what a command wrote, or everything up to a position."""
Place: TypeAlias = Position | datetime | None
"""A place in the log's history; None: now."""
