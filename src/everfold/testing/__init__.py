"""Tools to test event-sourced code: scenarios, a frozen clock, apps in memory, golden records, the engine contracts.

Nothing is imported before it is used, so that the pytest plugin costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from everfold.testing.app_in_memory import memory_app
    from everfold.testing.frozen_clock import FrozenClock
    from everfold.testing.golden_records import golden
    from everfold.testing.scenarios import Scenario, scenario

__all__ = ["FrozenClock", "Scenario", "golden", "memory_app", "scenario"]

_HOMES = {
    "FrozenClock": "frozen_clock",
    "Scenario": "scenarios",
    "golden": "golden_records",
    "memory_app": "app_in_memory",
    "scenario": "scenarios",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found
