"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from everfold import Table
from tests.app.stores import StoreMaker, kept_store, watched
from tests.projections.tables import Item, database, dialect, make_table

__all__ = ["connection", "dialect", "items", "store", "watched"]


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> StoreMaker:
    return kept_store(request, tmp_path)


@pytest.fixture
def connection() -> Generator[Any]:
    with database() as connection:
        yield connection


@pytest.fixture
def items(connection: Any) -> Table[Item]:
    return make_table(connection, Item)
