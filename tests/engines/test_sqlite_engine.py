"""The SQLite engine keeps the whole contract, durability and sharing included."""

from pathlib import Path

from everfold.engines.sqlite.engine import SqliteEngine
from everfold.log.engine import Engine
from everfold.testing.contracts import DurableEngineContract


class TestSqliteEngine(DurableEngineContract):
    async def make_engine(self, folder: Path) -> Engine:
        return SqliteEngine(folder / "log.db", readers=1)
