"""Sources: files as they come from old systems, and what is wrong with them is told by line."""

import gzip
import io
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from everfold.errors import ConfigurationError, InvalidImport
from everfold.migration import source_file
from everfold.migration.csv_source import CsvSource
from everfold.migration.json_lines_source import JsonLinesSource
from everfold.migration.source import Source, SourceRow
from everfold.migration.source_file import LineFile
from everfold.migration.table_source import TableSource

Written = Callable[..., Path]
ID = sql.column("id", sql.Integer)


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Write bytes to a file."""

    def write(content: bytes, name: str = "old.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def fields(source: Source) -> list[dict[str, Any]]:
    assert all(row.problem is None for row in source)
    return [row.fields for row in source]


def problem(source: Source) -> str:
    """Of the last row."""
    return list(source)[-1].problem or ""


@pytest.mark.parametrize(
    "content", [b"a,b\n1,x\n2,y\n", b"\xef\xbb\xbfa,b\r\n1,x\r\n\r\n2,y", b'"a","b"\n"1","x"\n2,y']
)
@pytest.mark.parametrize("is_compressed", [False, True])
def test_csv(written: Written, content: bytes, is_compressed: bool) -> None:
    source = CsvSource(written(gzip.compress(content, mtime=0) if is_compressed else content))
    assert fields(source) == [{"a": "1", "b": "x"}, {"a": "2", "b": "y"}]
    assert [row.number for row in source] == [1, 2]
    assert source.columns == ("a", "b")
    assert source.share == 1.0


def test_csv_of_other_habits(written: Written) -> None:
    path = written("é;'x;y'\n".encode("cp1252"))
    assert fields(CsvSource(path, encoding="cp1252", delimiter=";", quotechar="'", columns=["a", "b"])) == [
        {"a": "é", "b": "x;y"}
    ]
    assert fields(CsvSource(written("a\nü\n".encode("utf-16")), encoding="utf-16")) == [{"a": "ü"}]


def test_csv_at_another_place_keeps_its_habits(written: Written) -> None:
    there = CsvSource("nowhere.csv", delimiter=";", encoding="cp1252").at(str(written("a;b\né;2\n".encode("cp1252"))))
    assert fields(there) == [{"a": "é", "b": "2"}]


def test_rows_know_their_first_line(written: Written) -> None:
    source = CsvSource(written(b'a,b\n1,"x\ny"\n\n2,z\n'))
    assert [(row.number, row.line) for row in source] == [(1, 2), (2, 5)]


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (b"1,2,3\n", "it has 3 values and there are 2 columns"),
        (b"1\n", "it has 1 values"),
        (b"1,\xe9\n", "bytes that are not utf-8"),
        (b"1,\x00\n", "a NUL character"),
    ],
)
def test_bad_rows_are_marked_and_the_reading_goes_on(written: Written, row: bytes, expected: str) -> None:
    found = list(CsvSource(written(b"a,b\n1,2\n" + row + b"3,4\n")))
    assert [one.problem is None for one in found] == [True, False, True]
    assert expected in (found[1].problem or "")
    assert (found[1].line, found[2].fields) == (3, {"a": "3", "b": "4"})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "no first line that names its columns"),
        (b"\n", "no first line that names its columns"),
        (gzip.compress(b"", mtime=0), "no first line that names its columns"),
        (b"a,b,a\n", "several columns are called 'a'"),
        (b"\xff\xfea\x00\n\x00", "the column names cannot be read"),
        (b'a,b\n1,"x"y\n2,z\n', "line 2: the quotes or fields cannot be made out"),
        (b'a,b\n1,"never closed\n2,z\n', "the quotes or fields cannot be made out"),
        (b"a,b\n1," + b"x" * 140_000 + b"\n", "field larger than field limit"),
        (
            gzip.compress(b"a,b\n" + b"1,2\n" * 9_999, mtime=0)[:-20],
            "the compressed file is damaged or cut off behind line",
        ),
        (gzip.compress(b"a,b\n1,2\n", mtime=0)[:-4] + b"abcd", "the compressed file is damaged or cut off"),
        (b"\x1f\x8bnothing", "the compressed file is damaged"),
    ],
)
def test_files_that_cannot_be_read_are_refused(written: Written, content: bytes, expected: str) -> None:
    with pytest.raises(InvalidImport) as found:
        list(CsvSource(written(content)))
    assert str(found.value).startswith("old.csv")
    assert expected in str(found.value)


def test_a_long_field_can_be_allowed(written: Written) -> None:
    import csv

    before = csv.field_size_limit()
    try:
        assert len(fields(CsvSource(written(b"a\n" + b"x" * 200_000), max_field=300_000))[0]["a"]) == 200_000
    finally:
        csv.field_size_limit(before)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(InvalidImport, match=r"nothing.csv: cannot be read: No such file"):
        list(CsvSource("nothing.csv"))
    with pytest.raises(InvalidImport, match="cannot be read"):
        list(JsonLinesSource("."))


def test_an_unknown_encoding() -> None:
    with pytest.raises(ConfigurationError, match="no encoding 'utf-9'"):
        CsvSource("old.csv", encoding="utf-9")


def test_bytes_that_no_codec_can_pass_over(written: Written) -> None:
    with pytest.raises(InvalidImport, match="cannot be decoded behind line"):
        list(CsvSource(written(b"\xff\xfea\x00\n\x00\x00"), encoding="utf-16"))


def test_an_endless_line(written: Written, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_file, "MAX_LINE", 50)
    for source in (CsvSource(written(b"a\n" + b"x" * 60)), JsonLinesSource(written(b'{"a":1}\n{' + b" " * 60))):
        with pytest.raises(InvalidImport, match="line 2 is longer than 50 bytes"):
            list(source)


@pytest.mark.parametrize("is_compressed", [False, True])
def test_json_lines(written: Written, is_compressed: bool) -> None:
    content = b'\xef\xbb\xbf{"a": 1, "b": [true]}\r\n\n  \n{"c": "\xc3\xa9"}'
    source = JsonLinesSource("x").at(str(written(gzip.compress(content, mtime=0) if is_compressed else content)))
    assert list(source) == [SourceRow(1, {"a": 1, "b": [True]}, 1), SourceRow(2, {"c": "é"}, 4)]
    assert source.columns is None


@pytest.mark.parametrize(
    "line", [b"[1]", b"1", b"{", b'{"a":1}{"b":2}', b"\xff\xfe", b'{"a":"\xe9"}', b"{\x00}", b'{"a":' * 100_000]
)
def test_lines_that_are_no_objects_are_bad_rows(written: Written, line: bytes) -> None:
    found = list(JsonLinesSource(written(b'{"a":1}\n' + line + b'\n{"a":2}\n')))
    assert [row.problem is None for row in found] == [True, False, True]
    assert "it is no JSON object" in (found[1].problem or "")
    assert (found[1].line, found[2].fields) == (2, {"a": 2})


def test_an_empty_file_has_no_rows(written: Written) -> None:
    assert list(JsonLinesSource(written(b""))) == []
    assert list(CsvSource(written(b"a,b\n"))) == []


def test_a_source_can_be_left_in_the_middle(written: Written) -> None:
    source = CsvSource(written(b"a\n" + b"1\n" * 9_999))
    rows = iter(source)
    next(rows)
    assert 0 < (source.share or 0) <= 1
    del rows
    assert len(fields(source)) == 9_999


def test_a_stream_has_no_share() -> None:
    file = LineFile(io.BytesIO(b"a\nb"))
    assert list(file.byte_lines()) == [b"a\n", b"b"]
    assert file.share is None


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Five orders, stored in no order."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    table = sql.Table(
        "orders",
        sql.MetaData(),
        sql.Column("id", sql.Integer, primary_key=True),
        sql.Column("day", sql.Date),
        sql.Column("total", sql.Numeric(10, 2)),
    )
    engine = sql.create_engine(url)
    table.metadata.create_all(engine)
    with engine.begin() as connection:
        for id in (3, 1, 5, 2, 4):
            connection.execute(table.insert(), {"id": id, "day": date(2020, 1, id), "total": Decimal("1.50") * id})
        connection.execute(sql.text("CREATE TABLE plain (a TEXT)"))
    engine.dispose()
    return url


def test_a_table_comes_in_the_order_of_its_key(database: str) -> None:
    source = TableSource(database, "orders")
    found = list(source)
    assert [row.fields["id"] for row in found] == [1, 2, 3, 4, 5]
    assert found[1] == SourceRow(2, {"id": 2, "day": date(2020, 1, 2), "total": Decimal("3.00")})
    assert (source.columns, source.share, source.name) == (("id", "day", "total"), 1.0, "table orders")


def test_a_table_in_another_order(database: str) -> None:
    engine = sql.create_engine(database)
    assert [row.fields["id"] for row in TableSource(engine, "orders", order_by="day")] == [1, 2, 3, 4, 5]
    assert len(list(TableSource("sqlite://", "orders").at(database))) == 5
    engine.dispose()


def test_a_query(database: str) -> None:
    query: sql.Select[Any] = sql.select(ID).select_from(sql.table("orders")).where(ID > 2)
    assert [row.fields for row in TableSource(database, query, order_by="id")] == [{"id": 3}, {"id": 4}, {"id": 5}]
    assert len(list(TableSource(database, query.order_by(ID)))) == 3
    with pytest.raises(ConfigurationError, match="needs an order that never changes"):
        list(TableSource(database, query))


def test_tables_that_cannot_be_read(database: str) -> None:
    with pytest.raises(InvalidImport, match="table nothing: the database has no such table"):
        list(TableSource(database, "nothing"))
    with pytest.raises(ConfigurationError, match="no primary key"):
        list(TableSource(database, "plain"))
    with pytest.raises(ConfigurationError, match="no column 'b'"):
        list(TableSource(database, "plain", order_by="b"))
    with pytest.raises(InvalidImport, match="cannot be read"):
        list(TableSource("sqlite:////nowhere/at/all.db", "orders"))
    with pytest.raises(InvalidImport, match="cannot be read"):
        list(
            TableSource(
                database,
                sql.select(sql.literal_column("x", sql.Integer)).select_from(sql.table("orders")),
                order_by="x, y",
            )
        )


def test_every_source_is_one() -> None:
    for source in (CsvSource("a"), JsonLinesSource("a"), TableSource("a", "b")):
        assert isinstance(source, Source)
