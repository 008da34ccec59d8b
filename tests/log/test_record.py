"""Records: what they tell about themselves, and the checksum that covers every stored column."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfold.log.record import Metadata, Record, checksum

COLUMNS = (7, "thing-a", 3, "moved", 1, "id-1", 1_000_000, '{"a":1}', "{}", '["t"]')
PERMANENT = 1_046_604_479


def test_a_record_knows_its_stream_and_time() -> None:
    record = Record(7, "thing-a-1", 3, "moved", 1, "id", 1_000_000, "{}", '{"actor":"ann","user":{"k":[1]}}')
    assert (record.category, record.key) == ("thing", "a-1")
    assert record.time == datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert record.metadata == Metadata(actor="ann", user={"k": [1]})


@pytest.mark.parametrize("column", range(len(COLUMNS)))
def test_the_checksum_covers_every_column(column: int) -> None:
    changed: list[object] = list(COLUMNS)
    value = changed[column]
    changed[column] = value + 1 if isinstance(value, int) else f"{value} "
    assert checksum(*changed) != checksum(*COLUMNS)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_the_checksum_tells_where_one_column_ends() -> None:
    first = checksum(1, "a", 1, "b", 1, "c", 1, "de", "f", None)
    assert first != checksum(1, "a", 1, "b", 1, "c", 1, "d", "ef", None)


def test_the_checksum_is_permanent() -> None:
    """It is stored: another formula would condemn every existing record."""
    assert checksum(*COLUMNS) == PERMANENT


@given(st.binary(min_size=1, max_size=40), st.data())
def test_every_single_bit_matters(text: bytes, data: st.DataObject) -> None:
    bit = data.draw(st.integers(0, len(text) * 8 - 1))
    flipped = bytearray(text)
    flipped[bit // 8] ^= 1 << bit % 8
    before, after = (piece.decode("latin-1") for piece in (text, bytes(flipped)))
    assert checksum(1, "a-b", 1, "c", 1, "d", 1, before, "{}", None) != checksum(
        1, "a-b", 1, "c", 1, "d", 1, after, "{}", None
    )
