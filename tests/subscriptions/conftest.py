"""Fixtures of these tests."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from functools import partial
from pathlib import Path

import pytest

from everfold.engines.connect import connect
from everfold.engines.memory.engine import MemoryEngine
from everfold.log.engine import Engine
from everfold.subscriptions.bookkeeping import prepare
from tests.app.stores import kept_store


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def engine(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Engine]:
    """An engine of each kind, open, with the bookkeeping of those who follow it."""
    if request.param == "memory":
        found: Engine = MemoryEngine()
    else:
        found = connect(str(kept_store(request, tmp_path)()))
    await found.open()
    for database in (found.views, found.beside):
        await database.write(partial(prepare, dialect=database.dialect))
    yield found
    await found.close()
