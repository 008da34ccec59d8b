"""The memory engine keeps the engine contract; it forgets everything with its object, so it is not durable."""

from pathlib import Path

from everfold.engines.memory.engine import MemoryEngine
from everfold.log.engine import Engine
from everfold.testing.contracts import EngineContract


class TestMemoryEngine(EngineContract):
    async def make_engine(self, folder: Path) -> Engine:
        return MemoryEngine()
