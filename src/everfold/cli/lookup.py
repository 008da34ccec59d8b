"""Finds one record or stream, or says what is similar. Used by ``events``, ``streams``, ``state``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from everfold.cli.suggestions import did_you_mean
from everfold.errors import NotFound
from everfold.identifiers import category_of, is_event_id, key_of
from everfold.log.selection import EVERYTHING

if TYPE_CHECKING:
    from everfold.log.catalogue import StreamInfo
    from everfold.log.record import Record
    from everfold.store.event_store import EventStore

__all__ = ["find_record", "find_stream", "similar_stream"]

CANDIDATES = 500
MAX_CATEGORIES = 50
AFTER_CATEGORY = "."
"""Sorts behind the dash that ends a category."""


async def find_record(store: EventStore, place: str) -> Record:
    """The record at a position, or with an event id; NotFound."""
    if place.isascii() and place.isdigit():
        found = await store.engine.read(EVERYTHING, after=int(place) - 1, until=int(place), limit=1)
        if found:
            return found[0]
        raise NotFound("record at position", place, f"The log ends at position {await store.head()}.")
    id = place.lower()
    if not is_event_id(id):
        raise NotFound("record", place, "Give a position, such as 12, or an event id, which is a UUID.")
    record = await store.engine.record(id)
    if record is None:
        raise NotFound("record with the id", id)
    return record


async def find_stream(store: EventStore, stream: str) -> StreamInfo:
    """The stream of this name; NotFound, with one that is similar."""
    found = await store.streams(prefix=stream, limit=1)
    if found and found[0].stream == stream:
        return found[0]
    raise NotFound("stream", stream, await similar_stream(store, stream))


async def similar_stream(store: EventStore, stream: str) -> str:
    """``Did you mean ...?``, looking among neighbours in the alphabet and the same key in similar categories."""
    categories = await _categories(store)
    category = category_of(stream)
    names: list[str] = []
    if category in categories:
        start = f"{category}-{key_of(stream)[:1]}"
        names = [info.stream for info in await store.streams(prefix=start, limit=CANDIDATES)]
        names += [info.stream for info in await store.streams(prefix=f"{category}-", limit=CANDIDATES)]
    else:
        for other in categories:
            wanted = f"{other}-{key_of(stream)}"
            names += [info.stream for info in await store.streams(prefix=wanted, limit=1) if info.stream == wanted]
    hint = did_you_mean(stream, names).strip()
    return hint or (f"The categories are {', '.join(categories)}." if categories else "The store is empty.")


async def _categories(store: EventStore) -> list[str]:
    found: list[str] = []
    after = ""
    while len(found) < MAX_CATEGORIES and (page := await store.streams(after=after, limit=1)):
        found.append(category_of(page[0].stream))
        after = found[-1] + AFTER_CATEGORY
    return found
