"""Golden records: one stored example of every event type at every version, kept for ever and read in every test run.

A test calls ``golden(app, directory)``; ``pytest --write-golden`` writes what is missing. Commit the files and
never delete one: a file that can no longer be read is a production store that can no longer be read.
"""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import msgspec

from everfold.app.application import App
from everfold.app.operator_actions import OPERATOR_ACTIONS
from everfold.codec.pipeline import Codec
from everfold.codec.registry import EventType
from everfold.domain.example_values import example_data
from everfold.errors import CodecError
from everfold.log.record import Record

__all__ = ["Golden", "GoldenRecord", "golden"]

HOW_TO_WRITE = "pytest --write-golden"


class Reading(msgspec.Struct, frozen=True):
    """What a stored record means today, in terms of registered events."""

    type: str
    schema_version: int
    data: dict[str, Any]


class GoldenRecord(msgspec.Struct, frozen=True):
    """The content of one golden file."""

    type: str
    schema_version: int
    data: dict[str, Any]
    """The fields as they were stored when this version was current. Never changed."""
    reads_as: tuple[Reading, ...] = ()
    """The events it is read as now, through the upcasters."""


class Golden(Protocol):
    """The fixture ``golden``."""

    def __call__(self, app: App, directory: str | PathLike[str], *, examples: Sequence[object] = ()) -> None:
        """See :func:`golden`."""
        ...


def golden(app: App, directory: str | PathLike[str], *, examples: Sequence[object] = (), write: bool = False) -> None:
    """Compare the golden records in the directory with the app's events; AssertionError names every difference.

    Each event type needs a record of its current version; ``write`` makes the missing ones, from ``examples`` (event
    instances) or else from the types of the fields. Every record there is must still be readable and mean what it
    meant; ``write`` accepts a new meaning, but never a shape that changed without a new version.
    """
    __tracebackhide__ = True
    folder, codec = Path(directory), app.codec()
    given = {type(example): example for example in examples}
    problems = [
        problem
        for event_type in codec.registry
        if event_type.cls not in OPERATOR_ACTIONS  # those are everfold's own, and it keeps golden records of them
        if (problem := _ensure(folder, event_type, codec, given.get(event_type.cls), write=write))
    ]
    for path in sorted(folder.glob("*.json")):
        problems += _compare(path, codec, write=write)
    if problems:
        raise AssertionError("Golden records:\n" + "\n".join(f"  {problem}" for problem in problems))


def _ensure(folder: Path, event_type: EventType, codec: Codec, example: object, *, write: bool) -> str | None:
    path = folder / f"{quote(event_type.name, safe='')}.v{event_type.version}.json"
    if path.exists():
        return None
    if not write:
        return f"{path.name} is missing. Write it with {HOW_TO_WRITE}, look at it, and commit it."
    name = event_type.cls.__qualname__
    try:
        if example is None:
            example = event_type.format.decode(msgspec.json.encode(example_data(event_type.cls)))
        data = msgspec.json.decode(codec.encode(example).data, type=dict[str, Any])
    except (CodecError, TypeError, ValueError) as error:
        return (
            f"{path.name}: no example of {name} could be made ({error}). Give one: golden(..., examples=[{name}(...)])."
        )
    _save(path, GoldenRecord(event_type.name, event_type.version, data))
    return None


def _compare(path: Path, codec: Codec, *, write: bool) -> list[str]:
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=GoldenRecord)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return [f"{path.name} is no golden record: {error}"]
    try:
        readings = tuple(_read(kept, codec))
    except CodecError as error:
        return [f"{path.name} can no longer be read. {error}"]
    lost = _lost_fields(kept, codec, readings)
    if lost:
        return [
            f"{path.name}: the stored {lost} would be lost or changed, because the event's shape changed. "
            "Give the event a new version and an upcaster."
        ]
    if readings == kept.reads_as:
        return []
    if write:
        _save(path, msgspec.structs.replace(kept, reads_as=readings))
        return []
    return [
        f"{path.name} is read differently now. If that is intended, accept it with {HOW_TO_WRITE}.",
        *(f"  - {_text(reading)}" for reading in kept.reads_as if reading not in readings),
        *(f"  + {_text(reading)}" for reading in readings if reading not in kept.reads_as),
    ]


def _read(kept: GoldenRecord, codec: Codec) -> list[Reading]:
    data = msgspec.json.encode(kept.data).decode()
    record = Record(1, "golden-1", 1, kept.type, kept.schema_version, "golden", 0, data)
    encoded = [codec.encode(event) for event in codec.decode(record)]
    return [Reading(new.type, new.schema_version, msgspec.json.decode(new.data)) for new in encoded]


def _lost_fields(kept: GoldenRecord, codec: Codec, readings: Sequence[Reading]) -> str:
    """Fields of a current shape that do not survive reading; an upcaster may change what it likes."""
    if not codec.upcasters.is_current(kept.type, kept.schema_version):
        return ""
    (reading,) = readings
    missing = [name for name, value in kept.data.items() if name not in reading.data or reading.data[name] != value]
    return ", ".join(repr(name) for name in missing)


def _text(reading: Reading) -> str:
    return f"{reading.type} v{reading.schema_version} {msgspec.json.encode(reading.data).decode()}"


def _save(path: Path, record: GoldenRecord) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(record), indent=2) + b"\n")
