"""The engine conformance suite: pass it, and your engine keeps the promises that everfold rests on.

Needs pytest and pytest-asyncio. Subclass ``EngineContract`` in a test file and make your engine, not yet open::

    from pathlib import Path
    from everfold.testing.contracts import EngineContract

    class TestMyEngine(EngineContract):
        async def make_engine(self, folder: Path) -> MyEngine:
            return MyEngine(folder / "log")

An engine that outlives its process passes ``DurableEngineContract`` too: there ``make_engine`` is called again with the
same folder and must then return another engine on the same storage. Every test gets a fresh folder and an open engine.
The suite is split by promise, one file and one class each; each class names the promise of DESIGN.md (section 6) or
the anomaly (A1 to A24) it is about.
"""

from __future__ import annotations

from everfold.testing.contracts.engine import DurableEngineContract, EngineContract

__all__ = ["DurableEngineContract", "EngineContract"]
