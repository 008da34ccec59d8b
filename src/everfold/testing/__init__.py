"""Tools to test event-sourced code: scenarios of decisions and of projections, ``check_projection``, ``eventually``,
a frozen clock, apps in memory, golden records, the engine contracts.

Nothing is imported before it is used, so that the pytest plugin costs little.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from everfold.testing.app_in_memory import memory_app
    from everfold.testing.eventual_checks import eventually
    from everfold.testing.frozen_clock import FrozenClock
    from everfold.testing.golden_records import golden
    from everfold.testing.projection_check import check_projection
    from everfold.testing.projection_scenarios import ProjectionScenario, projecting
    from everfold.testing.scenarios import Scenario, scenario

__all__ = [
    "FrozenClock",
    "ProjectionScenario",
    "Scenario",
    "check_projection",
    "eventually",
    "golden",
    "memory_app",
    "projecting",
    "scenario",
]

_HOMES = {
    "FrozenClock": "frozen_clock",
    "ProjectionScenario": "projection_scenarios",
    "Scenario": "scenarios",
    "check_projection": "projection_check",
    "eventually": "eventual_checks",
    "golden": "golden_records",
    "memory_app": "app_in_memory",
    "projecting": "projection_scenarios",
    "scenario": "scenarios",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = found
    return found
