"""everfold's pytest plugin. Active wherever everfold and pytest are installed; cheap to import.

Fixtures: ``scenario``, ``projecting``, ``clock``, ``app_store`` (memory, SQLite, and the PostgreSQL database that
``EVERFOLD_TEST_POSTGRES`` names), ``golden``. Apps run with ``checks`` on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from everfold.projections.projection import Projection
    from everfold.testing.frozen_clock import FrozenClock
    from everfold.testing.golden_records import Golden
    from everfold.testing.projection_scenarios import ProjectionScenario
    from everfold.testing.scenarios import Scenario

CHECKS = "EVERFOLD_CHECKS"
POSTGRES = "EVERFOLD_TEST_POSTGRES"
_set_here = pytest.StashKey[bool]()

pytest.register_assert_rewrite("everfold.testing.contracts")


def pytest_addoption(parser: pytest.Parser) -> None:
    """``pytest --write-golden``."""
    group = parser.getgroup("everfold")
    group.addoption(
        "--write-golden", action="store_true", help="write the golden records that are missing, instead of failing"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Watch the decisions of every app in the test run, unless the environment says otherwise."""
    config.stash[_set_here] = CHECKS not in os.environ
    os.environ.setdefault(CHECKS, "true")


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the environment as it was."""
    if config.stash.get(_set_here, False):
        os.environ.pop(CHECKS, None)


@pytest.fixture
def scenario() -> Iterator[Callable[[type[Any]], Scenario[Any]]]:
    """``scenario(Account).given(...).when(...).then(...)``; what was decided and never looked at fails the test."""
    from everfold.testing.scenarios import Scenario

    begun: list[Scenario[Any]] = []

    def begin(cls: type[Any]) -> Scenario[Any]:
        begun.append(Scenario(cls))
        return begun[-1]

    yield begin
    for scenario in begun:
        scenario.check_looked_at()


@pytest.fixture
def projecting() -> Iterator[Callable[[type[Projection]], ProjectionScenario]]:
    """``projecting(AccountSummaries).given(...).then(...)``; what was given and never looked at fails the test."""
    from everfold.testing.projection_scenarios import ProjectionScenario

    begun: list[ProjectionScenario] = []

    def begin(projection: type[Projection]) -> ProjectionScenario:
        begun.append(ProjectionScenario(projection))
        return begun[-1]

    yield begin
    for scenario in begun:
        scenario.check_looked_at()


@pytest.fixture
def clock() -> FrozenClock:
    """A clock that stands still: ``clock.advance(60)``. Give it to the app."""
    from everfold.testing.frozen_clock import FrozenClock

    return FrozenClock()


@pytest.fixture(params=["memory", "sqlite", *(["postgres"] if os.environ.get(POSTGRES) else [])])
def app_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A store for ``App(..., store=app_store)``: the test runs once in memory and once on a SQLite file.

    And once in PostgreSQL, in a schema of its own, where ``EVERFOLD_TEST_POSTGRES`` has the URL of a database.
    """
    if request.param != "postgres":
        yield "memory:" if request.param == "memory" else str(tmp_path / "store.db")
        return
    from everfold.testing.passing_schemas import passing_schema

    with passing_schema(os.environ[POSTGRES]) as url:
        yield url


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """``golden(app, directory)``: stored shapes stay readable. See ``everfold.testing.golden_records``."""
    from functools import partial

    from everfold.testing.golden_records import golden

    return partial(golden, write=bool(request.config.getoption("--write-golden")))
