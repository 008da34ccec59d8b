"""``everfold demo``: fills a store, shows what it can do, and continues where it was."""

import re
import shlex
import signal
import sys
import urllib.request
from pathlib import Path

import pytest

from everfold.app.application import App
from everfold.cli import demo as demo_module
from everfold.cli.demo_bank import Account, OpenAccount, app, history_of
from everfold.cli.output import progress
from tests.cli.conftest import Invoke, everfold

SMALL = ("--accounts", 3, "--transactions", 12)


def test_the_tour(invoke: Invoke, folder: Path) -> None:
    result = invoke("demo", *SMALL)
    assert result.exit_code == 0, result.stderr
    text = result.stdout
    assert f"{folder / 'everfold-demo.db'} (new)" in text
    assert "39 commands of 3 customers at once" in text
    assert "MoneyDeposited(amount=1250) at position 41, version 2" in text
    assert "Rejected, insufficient-funds: The balance is 6250." in text
    assert "reply 6000, stored now" in text
    assert "reply 6000, stored before, the same reply" in text
    assert "after event  10: balance" in text
    assert "AccountSummary(account_id='visitor-1', owner='You', balance=6700, movements=3)" in text
    assert "as of position 40: balance    50.00\n  as of position 41: balance    62.50\n" in text
    assert " accounts that Ann has" in text
    assert "build 2: 43 events in " in text
    assert "4 rows, compared with another fold of the log: all as before" in text


def test_every_command_it_names_works(invoke: Invoke, folder: Path) -> None:
    text = invoke("demo", *SMALL).stdout.partition("Look further")[2]
    commands = [line.strip() for line in text.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(commands) == 11
    for command in commands:
        result = invoke(*shlex.split(command)[1:])
        assert result.exit_code == 0, (command, result.stderr)


@pytest.mark.skipif(sys.platform == "win32", reason="a signal is sent")
def test_it_can_be_served(folder: Path) -> None:
    with everfold("demo", "--serve", *SMALL, "--port", 0, cwd=folder) as running:
        assert running.stdout
        told = ""
        while "Stop with Ctrl-C." not in told:
            line = running.stdout.readline()
            assert line, running.communicate()[1]
            told += line
        assert "39 commands of 3 customers at once" in told
        assert "A command is decided" not in told
        link = re.findall(r"sign in +(http://\S+)#code=\w+", told)[0]
        with urllib.request.urlopen(link, timeout=30) as page:  # noqa: S310 (ours)
            assert page.status == 200
        url = re.findall(r'curl -H "\$AUTH" "(\S+history\S+)"', told)[0]
        request = urllib.request.Request(url)  # noqa: S310 (ours)
        request.add_header(*re.findall(r'AUTH="(\w+): (.+)"', told)[0])
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 (ours)
            assert b"account-opened" in answer.read()
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0


def test_it_continues(invoke: Invoke) -> None:
    invoke("demo", "--accounts", 3, "--transactions", 10)
    more = invoke("demo", *SMALL).stdout
    assert "(continued)" in more
    assert "6 commands of 3 customers" in more
    assert "visitor-2" in more
    assert "complete already" in invoke("demo", *SMALL).stdout


def test_the_data_is_always_the_same() -> None:
    assert list(history_of(7, 50)) == list(history_of(7, 50))
    assert list(history_of(7, 50)) != list(history_of(8, 50))


def test_the_whole_history_is_accepted() -> None:
    with App("all", Account, store="memory:", checks=True).blocking() as bank:
        for command in history_of(1, 300):
            bank.execute(command)


def test_another_applications_store_is_left_alone(invoke: Invoke, bank: Path) -> None:
    result = invoke("demo", "--store", bank)
    assert result.exit_code == 1
    assert "events of another application" in result.stderr
    assert "position 4" in invoke("doctor", "--store", bank).stdout


def test_the_app_is_there_to_look_at() -> None:
    assert app.aggregates() == {"account": Account}
    assert OpenAccount in app.commands().values()


def test_the_program_is_named_as_the_user_calls_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("sys.argv", [str(folder / "bin" / "everfold")])
    assert demo_module._program() == str(Path("bin") / "everfold")  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr("sys.argv", [str(folder.parent / "everfold")])
    assert demo_module._program() == str(folder.parent / "everfold")  # pyright: ignore[reportPrivateUsage]
    monkeypatch.setattr("sys.argv", ["pytest"])
    assert demo_module._program() == "everfold"  # pyright: ignore[reportPrivateUsage]


def test_progress_is_for_terminals(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    with progress("working", 3) as advance:
        advance(3)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with progress("working", 3) as advance:
        advance(3)
    assert "working" in capsys.readouterr().err
