"""The history of an aggregate: its state at a version, and what each event after it changed, as a JSON Patch.

Who has the base and the patches can show any version between without asking again. Used by the routes of streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from everfold.codec.pipeline import Codec
from everfold.domain.aggregate import Aggregate
from everfold.errors import NotFound
from everfold.http.json_patch import PatchStep, json_patch
from everfold.http.json_response import encode
from everfold.identifiers import Version
from everfold.log.record import Record
from everfold.log.record_json import RecordJson, record_json
from everfold.store.boundary import Tools
from everfold.store.fold import fold
from everfold.store.time_travel import load_at

__all__ = ["Change", "History", "read_history"]

MAX_BYTES = 32 * 1024 * 1024
"""How much state (as JSON, over all versions) one page is made from; what is left comes with the next."""


class Change(msgspec.Struct, frozen=True):
    """One record, and what it changed."""

    record: RecordJson
    patch: list[PatchStep]


class History(msgspec.Struct, frozen=True):
    """A state, and the changes that follow it."""

    version: int
    state: Any
    changes: list[Change]


async def read_history(cls: type[Aggregate], stream: str, after: int, limit: int, tools: Tools) -> History:
    """The state at the version ``after``, and up to ``limit`` changes. NotFound when there is no such version."""
    key = stream.partition("-")[2]
    state = (await load_at(cls, key, Version(after), tools)).state if after else cls()
    records: Sequence[Record] = ()
    async for page in tools.events.stream_pages(stream, after=after, page=limit):
        records = page
        break
    if not records and not after:
        raise NotFound("stream", stream)
    # User code over many records: not on the event loop.
    return await asyncio.to_thread(_changes, state, after, records, tools.codec)


def _changes(state: Aggregate, after: int, records: Sequence[Record], codec: Codec) -> History:
    """A merged pair changes the state with its second record."""
    evolutions = type(state).__everfold__.evolutions
    base = before = msgspec.json.decode(encode(state))
    changes: list[Change] = []
    size, start = 0, 0
    for end, record in enumerate(records, 1):
        if end < len(records) and codec.merges(record, records[end]):
            changes.append(Change(record_json(record), []))
            continue
        fold(state, records[start:end], codec, evolutions)
        encoded = encode(state)
        now = msgspec.json.decode(encoded)
        changes.append(Change(record_json(record), json_patch(before, now)))
        before, start = now, end
        size += len(encoded)
        if size > MAX_BYTES:
            break
    return History(after, base, changes)
