"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from everfold import Table
from everfold.engines.held_connection import HeldConnection
from tests.app.stores import store, watched
from tests.projections.tables import Item, database, make_table

__all__ = ["connection", "items", "store", "watched"]


@pytest.fixture
def connection() -> Generator[HeldConnection]:
    with database() as connection:
        yield connection


@pytest.fixture
def items(connection: HeldConnection) -> Table[Item]:
    return make_table(connection, Item)
