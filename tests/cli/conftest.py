"""A small bank with four events, an empty folder to work in, and a way to call the command line."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from everfold.app.application import App
from everfold.cli.demo_bank import Account, Deposit, OpenAccount, Withdraw
from everfold.cli.program import program
from everfold.codec.metadata import metadata
from everfold.testing.frozen_clock import FrozenClock

Invoke = Callable[..., Result]
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and an environment without settings."""
    for name in os.environ:
        if name.startswith("EVERFOLD_"):
            monkeypatch.delenv(name)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def everfold(*arguments: object, cwd: Path | None = None) -> Generator[subprocess.Popen[str]]:
    """The command line as a process of its own, which is gone when the block ends, whatever happened in it."""
    code = "from everfold.cli.main import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd) as process:
        timer = threading.Timer(60, process.kill)
        timer.start()
        try:
            yield process
        finally:
            timer.cancel()
            process.kill()


@pytest.fixture
def invoke() -> Invoke:
    """Call the command line in this process."""

    def call(*arguments: object, **options: Any) -> Result:
        return CliRunner().invoke(program, [str(argument) for argument in arguments], **options)

    return call


@pytest.fixture
def bank(folder: Path) -> Path:
    """A store with four events, an hour apart: three of account-a1, one of account-b1."""
    path = folder / "bank.db"
    clock = FrozenClock(NOON)
    with App("bank", Account, store=str(path), clock=clock).blocking() as app, metadata(actor="ann"):
        for command in (
            OpenAccount(account_id="a1", owner="Ann", initial_balance=100),
            Deposit(account_id="a1", amount=50),
            Withdraw(account_id="a1", amount=30),
            OpenAccount(account_id="b1", owner="Bob"),
        ):
            app.execute(command)
            clock.advance(3600)
    return path


@pytest.fixture
def projected(bank: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store of ``bank`` as that of an application with projections, which nobody has run yet."""
    monkeypatch.setenv("EVERFOLD_APP", "tests.cli.projected_bank:app")
    monkeypatch.setenv("EVERFOLD_STORE", str(bank))
    return bank


@contextmanager
def service() -> Generator[subprocess.Popen[str]]:
    """The application of ``projected`` as a service in a process of its own; begins when its projection is live."""
    with everfold("run", "--no-http", "--follow", cwd=Path(__file__).parents[2]) as running:
        assert running.stderr
        line = running.stderr.readline()
        while "summaries: live" not in line:
            assert line, running.communicate()
            line = running.stderr.readline()
        yield running


def record_deposits(store: Path, *amounts: int) -> None:
    """Pay into account-a1, in a process that runs no projection."""
    with App("bank", Account, store=str(store)).blocking() as app:
        for amount in amounts:
            app.execute(Deposit(account_id="a1", amount=amount))
