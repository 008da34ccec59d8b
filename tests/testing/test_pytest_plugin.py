"""The pytest plugin, in test runs of its own."""

import os
import subprocess
import sys
from pathlib import Path

from everfold.testing.frozen_clock import FrozenClock
from everfold.testing.pytest_plugin import CHECKS
from tests.postgres.server import PostgresServer

TESTS = """
import os
from everfold import App, Projection
from everfold.cli.demo_bank import Account, AccountOpened, Deposit, MoneyDeposited, OpenAccount, Withdraw
from everfold.testing import memory_app

def test_checks_are_on():
    assert os.environ["EVERFOLD_CHECKS"] == "true"
    assert App("x").settings().values.checks is True

def test_scenario(scenario):
    opened = AccountOpened(owner="Ann", initial_balance=1)
    scenario(Account).given(opened).when(Deposit(account_id="a", amount=2)).then(MoneyDeposited(amount=2))

def test_nothing_expected(scenario):
    scenario(Account).when(Withdraw(account_id="a", amount=2))

class Accounts(Projection):
    pass

def test_projecting(projecting):
    opened = AccountOpened(owner="Ann", initial_balance=1)
    projecting(Accounts).given("account-a", opened).then()

def test_no_rows_expected(projecting):
    projecting(Accounts).given("account-a", AccountOpened(owner="Ann", initial_balance=1))

def test_store(app_store, clock):
    with App("bank", Account, store=app_store, clock=clock).blocking() as bank:
        assert bank.execute(OpenAccount(account_id="a", owner="Ann")).version == 1

def test_memory_app(clock):
    with memory_app(Account, clock=clock).blocking() as bank:
        assert bank.execute(OpenAccount(account_id="a", owner="Ann")).position == 1

def test_golden(golden):
    golden(App("bank", Account), "golden")
"""


def run(folder: Path, *options: str, **variables: str) -> str:
    (folder / "test_bank.py").write_text(TESTS)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("EVERFOLD_", "PYTEST"))}
    environment |= variables
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error", *options]
    result = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    return result.stdout + result.stderr


def test_everything_it_offers(tmp_path: Path) -> None:
    text = run(tmp_path, "-v")
    assert "test_store[memory] PASSED" in text
    assert "test_store[sqlite] PASSED" in text
    assert "ERROR test_bank.py::test_nothing_expected - AssertionError: Withdraw(" in text
    assert "ERROR test_bank.py::test_no_rows_expected - AssertionError: Events were given" in text
    assert "account-opened.v1.json is missing. Write it with pytest --write-golden" in text
    assert "1 failed, 8 passed, 2 errors" in text


def test_stores_in_postgres_where_the_environment_names_a_database(
    tmp_path: Path, postgres_server: PostgresServer
) -> None:
    text = run(tmp_path, "-v", "-k", "test_store", EVERFOLD_TEST_POSTGRES=postgres_server.url())
    assert "test_store[sqlite] PASSED" in text
    assert "test_store[postgres] PASSED" in text


def test_golden_records_are_written_on_request(tmp_path: Path) -> None:
    assert "1 passed" in run(tmp_path, "--write-golden", "-k", "golden")
    assert "1 passed" in run(tmp_path, "-k", "golden")


def test_it_is_cheap_to_import() -> None:
    code = (
        "import sys, pytest, everfold\nbefore = set(sys.modules)\nimport everfold.testing.pytest_plugin\n"
        "print(sorted(set(sys.modules) - before))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.strip() == "['everfold.testing', 'everfold.testing.pytest_plugin']"


def test_this_run_is_checked_too(clock: FrozenClock) -> None:
    assert os.environ[CHECKS] == "true"
    assert clock.monotonic() == 0
