"""Records: events as stored. Made by the codec, written and read by engines, seen by everybody."""

from __future__ import annotations

import zlib
from datetime import datetime

import msgspec

from everfold.clock import from_micros
from everfold.identifiers import category_of, key_of

__all__ = ["EMPTY_METADATA", "Metadata", "NewRecord", "Record", "checksum"]

EMPTY_METADATA = "{}"


class Metadata(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """Who and what caused a record. Stored as JSON; absent fields are left out."""

    correlation_id: str | None = None
    """The same for everything that one first cause led to."""
    causation_id: str | None = None
    """The id of the command or record that directly caused this one."""
    command: str | None = None
    """The permanent name of the command that was decided."""
    actor: str | None = None
    """Who asked: a user, a service, a process."""
    tenant: str | None = None
    traceparent: str | None = None
    """W3C Trace Context of the span that wrote the record."""
    user: dict[str, object] = {}
    """Fields of the application's own (JSON values)."""


_decode_metadata = msgspec.json.Decoder(Metadata).decode


class NewRecord(msgspec.Struct, frozen=True, gc=False):
    """An event encoded for storing. The engine adds position, version and time when it is committed."""

    type: str
    schema_version: int
    id: str
    data: str
    """The event's fields as JSON text."""
    metadata_json: str = EMPTY_METADATA
    tags: tuple[str, ...] = ()


class Record(msgspec.Struct, frozen=True, gc=False):
    """An event as stored, immutable. ``data`` and ``metadata_json`` are the JSON texts exactly as stored."""

    position: int
    """Place in the whole log: from 1, contiguous, in commit order, never reused."""
    stream: str
    """``category-key``."""
    version: int
    """Place in the stream: from 1, contiguous."""
    type: str
    """The permanent name of the event type."""
    schema_version: int
    """The version of the event type's shape, from 1."""
    id: str
    """Unique id (UUIDv7 unless the writer gave another)."""
    recorded: int
    """When it was committed: microseconds since 1970-01-01 UTC, never decreasing along the log."""
    data: str
    metadata_json: str = EMPTY_METADATA
    tags: tuple[str, ...] = ()

    @property
    def time(self) -> datetime:
        """When it was committed, as an aware UTC datetime."""
        return from_micros(self.recorded)

    @property
    def category(self) -> str:
        """The category of the stream: ``account`` of ``account-a1``."""
        return category_of(self.stream)

    @property
    def key(self) -> str:
        """The key of the stream: ``a1`` of ``account-a1``."""
        return key_of(self.stream)

    @property
    def metadata(self) -> Metadata:
        """Who and what caused it, decoded at each access."""
        return _decode_metadata(self.metadata_json)


def checksum(  # noqa: PLR0913, PLR0917 (it covers exactly the columns of a record, hot path)
    position: int,
    stream: str,
    version: int,
    type: str,
    schema_version: int,
    id: str,
    recorded: int,
    data: str,
    metadata_json: str,
    tags_json: str | None,
) -> int:
    """CRC-32 over every stored column, so that damaged bytes are found and located.

    It detects accidents (all single-bit flips among them), not forgery. Engines store it beside
    the record; ``everfold doctor --verify`` recomputes it.
    """
    text = (
        f"{position}\0{stream}\0{version}\0{type}\0{schema_version}\0{id}\0{recorded}\0"
        f"{data}\0{metadata_json}\0{tags_json}"
    )
    return zlib.crc32(text.encode("utf-8", "surrogatepass"))
