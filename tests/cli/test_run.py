"""``everfold run``: an application starts, follows its log, and stops cleanly."""

import signal
import sys
from pathlib import Path

import pytest

from everfold.app.application import App
from everfold.cli.demo_bank import Account, Accounts, GetAccount, OpenAccount
from tests.cli.conftest import Invoke, everfold, record_deposits, service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_follows_the_log_until_it_is_stopped(folder: Path, number: signal.Signals) -> None:
    with everfold("run", "everfold.cli.demo_bank:app", cwd=folder) as running:
        assert running.stdout and running.stderr
        banner = [running.stdout.readline() for _ in range(6)]
        assert banner[0].startswith("everfold-demo is running (process ")
        assert f"{folder / 'everfold-demo.db'}, at position 0" in banner[1]
        assert "3 commands" in banner[2]
        assert banner[4] == "  keeps     1 projection: accounts (async)\n"
        with App("everfold-demo", Account, store=str(folder / "everfold-demo.db")).blocking() as app:
            app.execute(OpenAccount(account_id="a1", owner="Ann"))
        assert "account-a1@1  account-opened" in running.stdout.readline()
        told = [line := running.stderr.readline()]
        while not line.startswith("accounts: live, "):
            assert line, "it ended"
            told.append(line := running.stderr.readline())
        running.send_signal(number)
        assert running.wait(30) == 0
        assert running.stderr.read().endswith("Stopped at position 1. Everything acknowledged is stored.\n")
    with App(
        "everfold-demo", Account, Accounts, store=str(folder / "everfold-demo.db"), role="server"
    ).blocking() as app:
        assert app.ask(GetAccount(account_id="a1")).owner == "Ann"


def test_run_says_what_is_wrong_with_a_projection(invoke: Invoke, projected: Path) -> None:
    with service() as running:
        assert running.stderr
        record_deposits(projected, 13)
        line = running.stderr.readline()
        while "1 event set aside (everfold parked list)" not in line:
            assert line, "it ended"
            line = running.stderr.readline()
        assert invoke("projections", "pause", "summaries", "--reason", "to look").exit_code == 0
        while line != "summaries: paused, up to date, 1 event set aside (everfold parked list): to look\n":
            assert line, "it ended"
            line = running.stderr.readline()


def test_a_server_leaves_projections_to_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERFOLD_ROLE", "server")
    with everfold("run", "everfold.cli.demo_bank:app", cwd=folder) as running:
        assert running.stdout
        banner = [running.stdout.readline() for _ in range(6)]
        assert "accounts (async), which others keep up to date (role = server)" in banner[4]


def test_run_says_what_is_not_there_yet(invoke: Invoke) -> None:
    assert "serves no HTTP" in " ".join(invoke("run", "--help").stdout.split())


def test_run_needs_an_app(invoke: Invoke) -> None:
    assert invoke("run").exit_code == 1


def test_a_broken_app_does_not_start(invoke: Invoke, folder: Path) -> None:
    (folder / "run_broken.py").write_text("from everfold import App\napp = App('x', lock_timeout='soon')\n")
    result = invoke("run", "run_broken:app")
    assert result.exit_code == 1
    assert "[configuration-error]" in result.stderr
