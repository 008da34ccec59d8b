"""What was ever stored can be read for ever: golden records of stored shapes, which never change.

A file is added for a new shape; no file is ever edited. To add one, put the event into ``stored_events`` and copy
the record that the failing test prints.
"""

from pathlib import Path

import msgspec
import pytest

from everfold.codec.pipeline import Codec
from everfold.log.record import NewRecord, Record
from tests.codec.stored_events import CURRENT, EVENTS, OLD, UPCASTERS

GOLDEN = Path(__file__).parent / "golden"


class Golden(msgspec.Struct):
    """The frozen part of a record."""

    type: str
    version: int
    data: str
    tags: list[str]


@pytest.fixture(scope="module")
def codec() -> Codec:
    return Codec(EVENTS, upcasters=UPCASTERS, new_id=lambda: "id")


def golden(name: str) -> Golden:
    return msgspec.json.decode((GOLDEN / f"{name}.json").read_bytes(), type=Golden)


def read(codec: Codec, stored: Golden) -> tuple[object, ...]:
    record = Record(1, "s-1", 1, stored.type, stored.version, "id", 0, stored.data, tags=tuple(stored.tags))
    return codec.decode(record)


def frozen(record: NewRecord) -> str:
    stored = Golden(record.type, record.schema_version, record.data, list(record.tags))
    return msgspec.json.format(msgspec.json.encode(stored)).decode()


@pytest.mark.parametrize("name", CURRENT)
def test_events_are_stored_as_ever(codec: Codec, name: str) -> None:
    file = GOLDEN / f"{name}.json"
    now = frozen(codec.encode(CURRENT[name]))
    assert file.exists(), f"a new shape; put this into {file.name}:\n{now}"
    assert now == file.read_text("utf-8").rstrip("\n")


@pytest.mark.parametrize("name", CURRENT)
def test_stored_events_are_read_as_ever(codec: Codec, name: str) -> None:
    assert read(codec, golden(name)) == (CURRENT[name],)


@pytest.mark.parametrize("name", OLD)
def test_events_of_old_shapes_mean_what_they_meant(codec: Codec, name: str) -> None:
    assert read(codec, golden(name)) == OLD[name]


def test_no_golden_record_was_removed() -> None:
    assert {file.stem for file in GOLDEN.glob("*.json")} == CURRENT.keys() | OLD.keys()
    assert len(CURRENT) + len(OLD) >= 15
