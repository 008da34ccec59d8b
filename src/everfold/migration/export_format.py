"""The lines of an exported file: what each looks like, and the digest over all of them. Used by export and restore.

JSON Lines in UTF-8. First a header, then every record in order of the positions, replies in order of their keys,
checkpoints in order of their names; last a trailer with the SHA-256 of all bytes before it.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from everfold.log.checkpoint import Checkpoint
from everfold.log.idempotency import StoredReply
from everfold.log.record import EMPTY_METADATA, Record

__all__ = [
    "FORMAT_VERSION",
    "CheckpointLine",
    "Digest",
    "Header",
    "Line",
    "RecordLine",
    "ReplyLine",
    "Trailer",
    "checkpoint_line",
    "decode_line",
    "encode_line",
    "record_line",
    "record_of",
    "reply_line",
]

FORMAT_VERSION = 1
ABSENT = msgspec.Raw(b"")
"""One object: absent is what is this very one."""


class _Line(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True, omit_defaults=True):
    """What all lines are: an unknown field would be something that restore does not keep."""


class Header(_Line, tag="everfold-export", frozen=True, kw_only=True):
    """The first line."""

    format: int
    after: int = 0
    """The records begin behind this position; 0: from the beginning."""
    after_id: str | None = None
    """The id of the record at ``after``, so that the file is restored behind its own beginning only."""
    head: int
    """The position of the last record."""
    written: str
    """When the export began, in UTC."""


class RecordLine(_Line, tag="record", frozen=True, kw_only=True, gc=False):
    """A record. JSON texts stand as they are; in ``*_text``, as a string, what is no plain JSON object on one line."""

    position: int
    stream: str
    version: int
    type: str
    schema_version: int
    id: str
    recorded: int
    """Microseconds since 1970 UTC."""
    data: msgspec.Raw = ABSENT
    data_text: str | None = None
    metadata: msgspec.Raw = ABSENT
    metadata_text: str | None = None
    tags: tuple[str, ...] = ()


class ReplyLine(_Line, tag="reply", frozen=True, kw_only=True):
    """A stored reply of an idempotency key."""

    key: str
    fingerprint: str
    reply: str
    first: int
    last: int
    recorded: int


class CheckpointLine(_Line, tag="checkpoint", frozen=True, kw_only=True):
    """How far a consumer got."""

    name: str
    position: int


class Trailer(_Line, tag="end", frozen=True, kw_only=True):
    """The last line."""

    records: int
    replies: int
    checkpoints: int
    sha256: str
    """Of all bytes before this line, in hexadecimal."""


Line = Header | RecordLine | ReplyLine | CheckpointLine | Trailer
_lines: msgspec.json.Decoder[Line] = msgspec.json.Decoder(Line)
decode_line = _lines.decode
encode_line = msgspec.json.Encoder().encode
_as_it_is = msgspec.json.Decoder(msgspec.Raw).decode


class Digest:
    """The SHA-256 of all lines but the last, and how many of each kind there were."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._counts: dict[type, int] = {}

    def add(self, line: Line, encoded: bytes) -> None:
        """A further line, with its end."""
        self._hash.update(encoded)
        self._counts[type(line)] = self._counts.get(type(line), 0) + 1

    def trailer(self) -> Trailer:
        """The line that has to follow."""
        count = self._counts.get
        return Trailer(
            records=count(RecordLine, 0),
            replies=count(ReplyLine, 0),
            checkpoints=count(CheckpointLine, 0),
            sha256=self._hash.hexdigest(),
        )


def record_line(record: Record) -> RecordLine:
    """The line of a record."""
    data, metadata = _plain(record.data), _plain(record.metadata_json)
    return RecordLine(
        position=record.position,
        stream=record.stream,
        version=record.version,
        type=record.type,
        schema_version=record.schema_version,
        id=record.id,
        recorded=record.recorded,
        data=data,
        data_text=record.data if data is ABSENT else None,
        metadata=ABSENT if record.metadata_json == EMPTY_METADATA else metadata,
        metadata_text=record.metadata_json if metadata is ABSENT else None,
        tags=record.tags,
    )


def record_of(line: RecordLine) -> Record:
    """The record of a line; ValueError when it has no data."""
    return Record(
        line.position,
        line.stream,
        line.version,
        line.type,
        line.schema_version,
        line.id,
        line.recorded,
        _text(line.data, line.data_text, None),
        _text(line.metadata, line.metadata_text, EMPTY_METADATA),
        line.tags,
    )


def reply_line(reply: StoredReply) -> ReplyLine:
    """The line of a reply."""
    return msgspec.convert(reply, ReplyLine, from_attributes=True)


def _plain(text: str) -> msgspec.Raw:
    """The text as it is, if it can stand in a line and be found in it again unchanged."""
    if text[:1] != "{" or "\n" in text:
        return ABSENT
    encoded: Any = text.encode()
    try:
        found = _as_it_is(encoded)
    except msgspec.MsgspecError:
        return ABSENT
    return found if bytes(found) == encoded else ABSENT


def _text(raw: msgspec.Raw, text: str | None, default: str | None) -> str:
    found = bytes(raw).decode() if raw is not ABSENT else text if text is not None else default
    if found is None:
        raise ValueError("the record has no data")
    return found


def checkpoint_line(checkpoint: Checkpoint) -> CheckpointLine:
    """The line of a checkpoint."""
    return CheckpointLine(name=checkpoint.name, position=checkpoint.position)
