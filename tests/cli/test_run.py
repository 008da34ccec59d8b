"""``everfold run``: an application starts, follows its log, and stops cleanly."""

import signal
import sys
from pathlib import Path

import pytest

from everfold.app.application import App
from everfold.cli.demo_bank import Account, OpenAccount
from tests.cli.conftest import Invoke, everfold

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_run_follows_the_log_until_it_is_stopped(folder: Path, number: signal.Signals) -> None:
    with everfold("run", "everfold.cli.demo_bank:app", cwd=folder) as running:
        assert running.stdout and running.stderr
        banner = [running.stdout.readline() for _ in range(5)]
        assert banner[0].startswith("everfold-demo is running (process ")
        assert f"{folder / 'everfold-demo.db'}, at position 0" in banner[1]
        assert "3 commands" in banner[2]
        with App("everfold-demo", Account, store=str(folder / "everfold-demo.db")).blocking() as app:
            app.execute(OpenAccount(account_id="a1", owner="Ann"))
        assert "account-a1@1  account-opened" in running.stdout.readline()
        running.send_signal(number)
        assert running.wait(30) == 0
        assert running.stderr.read() == "Stopped at position 1. Everything acknowledged is stored.\n"


def test_run_says_what_is_not_there_yet(invoke: Invoke) -> None:
    assert "serves no HTTP" in " ".join(invoke("run", "--help").stdout.split())


def test_run_needs_an_app(invoke: Invoke) -> None:
    assert invoke("run").exit_code == 1


def test_a_broken_app_does_not_start(invoke: Invoke, folder: Path) -> None:
    (folder / "run_broken.py").write_text("from everfold import App\napp = App('x', lock_timeout='soon')\n")
    result = invoke("run", "run_broken:app")
    assert result.exit_code == 1
    assert "[configuration-error]" in result.stderr
