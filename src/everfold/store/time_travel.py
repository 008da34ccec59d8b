"""Time travel: the state of an aggregate now, or as it was at a version, a position or a moment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, TypeAlias, TypeVar

import msgspec

from everfold.clock import to_micros
from everfold.domain.aggregate import Aggregate
from everfold.errors import NotFound
from everfold.identifiers import Position, Version, key_text, stream_name
from everfold.log.record import Record
from everfold.store.boundary import Tools
from everfold.store.fold import fold

__all__ = ["At", "Loaded", "load_at"]

A = TypeVar("A", bound=Aggregate)
At: TypeAlias = Version | Position | datetime | None


class Loaded(msgspec.Struct, Generic[A], frozen=True):
    """A state with the place it was found at: the last record folded into it."""

    state: A
    version: int
    position: int
    recorded: int


async def load_at(cls: type[A], key: object, at: At, tools: Tools) -> Loaded[A]:
    """Fold the stream up to the place. NotFound when the stream has no record by then, or not so many.

    The present is folded from the last snapshot that fits. The past rests on the records alone.
    """
    _check_place(at)
    stream = stream_name(cls.__everfold__.category, key_text(key))
    until_version = int(at) if isinstance(at, Version) else None
    state, after, last = cls(), 0, None
    if at is None and cls.__everfold__.snapshots is not None:
        snapshot = await tools.events.engine.snapshot(stream)
        restored = tools.snapshotter(cls).restore(snapshot)
        if snapshot and restored is not None:
            state, after = restored, snapshot.version
            last = (await tools.events.engine.read_stream(stream, after=after - 1, limit=1))[0]
    async for page in tools.events.stream_pages(stream, after=after, until=until_version, bare=True):
        wanted = _up_to(page, at)
        fold(state, wanted, tools.codec, cls.__everfold__.evolutions)
        last = wanted[-1] if wanted else last
        if len(wanted) < len(page):
            break
    if last is None:
        raise NotFound(cls.__qualname__, str(key), _hint(at))
    if until_version is not None and last.version < until_version:
        raise NotFound(f"version {until_version} of", stream, f"It has {last.version} versions.")
    return Loaded(state, last.version, last.position, last.recorded)


def _check_place(at: object) -> None:
    if isinstance(at, datetime):
        to_micros(at)  # refuses a naive one
    elif not isinstance(at, Version | Position | None):
        raise TypeError(
            f"at={at!r} is no place in the history. Give a Version, a Position (a plain number could be either) or an "
            "aware datetime."
        )


def _up_to(page: Sequence[Record], at: At) -> Sequence[Record]:
    if isinstance(at, datetime):
        moment = to_micros(at)
        return [record for record in page if record.recorded <= moment]
    if isinstance(at, Position):
        return [record for record in page if record.position <= at]
    return page


def _hint(at: At) -> str:
    return "No event was recorded for it." if at is None else f"No event was recorded for it by {at}."
