"""Processes for the tests of this folder, and a server that keeps what it confirms, to be killed."""

from collections.abc import Callable, Generator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.postgres.bench import Bench, benched
from tests.postgres.server import PostgresServer
from tests.reliability.read_side.forks import Forks, forking

BenchMaker = Callable[[str], Bench]


@pytest.fixture(scope="session")
def postgres_forks() -> Generator[Forks]:
    """Forks what takes long to start."""
    with forking("tests.postgres.forked_process") as forks:
        yield forks


@pytest.fixture
def bench_at(postgres_forks: Forks, tmp_path: Path) -> Generator[BenchMaker]:
    """Makes a bench for a store."""
    with ExitStack() as stack:
        yield lambda store: stack.enter_context(benched(store, tmp_path / "journals", postgres_forks))


@pytest.fixture(scope="module")
def durable_server() -> Generator[PostgresServer]:
    """A server of the module's own, which may be killed: what it confirms is on disk."""
    with PostgresServer() as server:
        yield server
