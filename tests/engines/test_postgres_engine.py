"""The PostgreSQL engine keeps every promise of an engine."""

from hashlib import sha256
from pathlib import Path

import pytest

from everfold.engines.postgres.engine import PostgresEngine
from everfold.log.engine import Engine
from everfold.testing.contracts.engine import DurableEngineContract
from tests.postgres.server import PostgresServer


class TestPostgresEngine(DurableEngineContract):
    @pytest.fixture(autouse=True)
    def server(self, postgres_server: PostgresServer) -> None:
        self._server = postgres_server

    async def make_engine(self, folder: Path) -> Engine:
        """A folder stands for a schema."""
        return PostgresEngine(self._server.url(schema=f"t_{sha256(str(folder).encode()).hexdigest()[:20]}"))
