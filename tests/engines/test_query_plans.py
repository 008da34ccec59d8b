"""Every statement that reads finds its rows by the index it was written for, never by a scan or a sort."""

import re
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from pathlib import Path

import pytest

from everfold.engines.sqlite.engine import SqliteEngine
from everfold.engines.sqlite.reader import STATEMENTS

BY_STREAM = "SEARCH events USING INDEX events_by_stream (stream=? AND version>? AND version<?)"
BY_POSITION = "SEARCH events USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"
BY_TYPE = "SEARCH events USING INDEX events_by_type (type=? AND position>? AND position<?)"
BY_TAG = "SEARCH t USING PRIMARY KEY (tag=? AND position>? AND position<?)"
PLANS = {
    "read_head": "SEARCH log_head USING INTEGER PRIMARY KEY (rowid=?)",
    "write_head": "SEARCH log_head USING INTEGER PRIMARY KEY (rowid=?)",
    "read_reply": "SEARCH replies USING PRIMARY KEY (key=?)",
    "read_checkpoint": "SEARCH checkpoints USING PRIMARY KEY (name=?)",
    "read_snapshot": "SEARCH snapshots USING INDEX sqlite_autoindex_snapshots_1 (stream=?)",
    "stream_version": "SEARCH events USING COVERING INDEX events_by_stream (stream=?)",
    "position_of_version": "SEARCH events USING COVERING INDEX events_by_stream (stream=? AND version=?)",
    "newest_of_tag": "SEARCH event_tags USING PRIMARY KEY (tag=?)",
    "newest_of_type": "SEARCH events USING COVERING INDEX events_by_type (type=?)",
    "count_of_tag": "SEARCH event_tags USING PRIMARY KEY (tag=?)",
    "read_record": "SEARCH events USING INDEX events_by_id (id=?)",
    "read_stream_forwards": BY_STREAM,
    "read_stream_backwards": BY_STREAM,
    "read_stream_bare": BY_STREAM,
    "read_streamed_forwards": BY_STREAM,
    "read_streamed_backwards": BY_STREAM,
    "read_log_forwards": BY_POSITION,
    "read_log_backwards": BY_POSITION,
    "read_part_forwards": BY_POSITION,
    "read_part_backwards": BY_POSITION,
    "read_type_forwards": BY_TYPE,
    "read_type_backwards": BY_TYPE,
    "read_tagged_forwards": BY_TAG,
    "read_tagged_backwards": BY_TAG,
    "read_checksums": "SEARCH events USING INTEGER PRIMARY KEY (rowid>?)",
    "list_streams": "SEARCH events USING COVERING INDEX events_by_stream (stream>? AND stream<?)",
    "read_indexed": "SEARCH events USING COVERING INDEX events_by_stream (stream=? AND version>? AND version<?)",
    "is_indexed": "SEARCH events USING COVERING INDEX events_by_id (id=? AND rowid=?)",
    "list_replies": "SEARCH replies USING PRIMARY KEY (key>?)",
    "list_checkpoints": "SCAN checkpoints",
    "has_tag": "SEARCH event_tags USING PRIMARY KEY (tag=? AND position=?)",
}
WITHOUT_PLAN = {"insert_event", "insert_tag", "insert_reply", "write_checkpoint", "write_snapshot"}


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncGenerator[sqlite3.Connection]:
    """A connection to an empty store: the plans do not depend on what is in it."""
    engine = SqliteEngine(tmp_path / "log.db")
    await engine.open()
    await engine.close()
    with closing(sqlite3.connect(tmp_path / "log.db")) as connection:
        yield connection


def test_every_statement_has_its_plan() -> None:
    assert set(STATEMENTS) == set(PLANS) | WITHOUT_PLAN


@pytest.mark.parametrize("name", PLANS)
def test_the_intended_index_is_used(connection: sqlite3.Connection, name: str) -> None:
    named = {parameter: 1 for parameter in re.findall(r":(\w+)", STATEMENTS[name])}
    plan = connection.execute(f"EXPLAIN QUERY PLAN {STATEMENTS[name]}", named or (1,) * STATEMENTS[name].count("?"))
    steps = [step[3] for step in plan]
    assert PLANS[name] in steps
    assert [step for step in steps if re.match(r"SCAN (events|event_tags|t|e|l)\b|USE TEMP B-TREE", step)] == []
