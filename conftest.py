"""Loads everfold's own pytest plugin once coverage measures, so that its imports are counted; lends a PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgres.server import PostgresServer

pytest_plugins = ["everfold.testing.pytest_plugin"]


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server for all tests that leave it running; each worker has its own. It forgets when the machine crashes."""
    from tests.postgres.server import PostgresServer

    with PostgresServer({"fsync": "off"}) as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """A store of the test's own: a schema that nobody else uses."""
    return postgres_server.url(schema=f"test_{uuid.uuid4().hex[:12]}")


@pytest.hookimpl(tryfirst=True)  # before -m and -k choose
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses the server: ``make postgres`` runs it on others too."""
    for item in items:
        if "postgres_server" in getattr(item, "fixturenames", ()):
            item.add_marker("postgres")
