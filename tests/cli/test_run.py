"""``everfold run``: an application is served, tells what runs where, and stops cleanly."""

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from everfold.app.application import App
from everfold.cli import serving
from everfold.cli.demo_bank import Account, Accounts, GetAccount, OpenAccount
from everfold.http.server import listen
from tests.cli.conftest import Invoke, everfold, record_deposits, service

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")
BANK = "everfold.cli.demo_bank:app"


def banner(running: subprocess.Popen[str]) -> list[str]:
    assert running.stdout and running.stderr
    lines = [running.stdout.readline()]
    while not lines[-1].startswith("Stop with"):
        assert lines[-1], running.stderr.read()
        lines.append(running.stdout.readline())
    return lines


def url_in(lines: list[str]) -> str:
    return str(re.findall(r"http://[\w.:]+", "".join(lines))[0])


def get(url: str) -> dict[str, str]:
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 (ours)
        found: dict[str, str] = json.load(answer)
        return found


def until(running: subprocess.Popen[str], words: str) -> str:
    assert running.stderr
    for line in running.stderr:
        if words in line:
            return line
    raise AssertionError(f"it never said {words!r}")


def test_it_serves_and_says_where(folder: Path) -> None:
    with everfold("run", BANK, "--port", 0, cwd=folder) as running:
        told = banner(running)
        assert told[0] == f"everfold-demo is running (process {running.pid})\n"
        assert get(url_in(told) + "/version")["app"] == "everfold-demo"
        assert [line.strip() for line in told[2:]] == [
            f"store     {folder / 'everfold-demo.db'}, at position 0",
            "accepts   3 commands and 2 queries",
            "decided   by 1 aggregates, 0 decision models, 0 functions",
            "keeps     1 projection: accounts (async)",
            "role      all: serves requests, and runs projections and consumers",
            "sign in   with a token: everfold tokens create",
            "Stop with Ctrl-C.",
        ]
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
        assert running.stderr
        assert running.stderr.read().endswith("Stopped at position 0. Everything acknowledged is stored.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_can_follow_the_log(folder: Path, number: signal.Signals) -> None:
    with everfold("run", BANK, "--no-http", "--follow", cwd=folder) as running:
        told = banner(running)
        assert told[1:4] == [
            "  http      none (--no-http)\n",
            f"  store     {folder / 'everfold-demo.db'}, at position 0\n",
            "  accepts   3 commands and 2 queries, from this process only\n",
        ]
        with App("everfold-demo", Account, store=str(folder / "everfold-demo.db")).blocking() as app:
            app.execute(OpenAccount(account_id="a1", owner="Ann"))
        assert running.stdout and running.stderr
        assert "account-a1@1  account-opened" in running.stdout.readline()
        until(running, "accounts: live, ")
        running.send_signal(number)
        assert running.wait(30) == 0
        assert running.stderr.read().endswith("Stopped at position 1. Everything acknowledged is stored.\n")
    with App(
        "everfold-demo", Account, Accounts, store=str(folder / "everfold-demo.db"), role="server"
    ).blocking() as app:
        assert app.ask(GetAccount(account_id="a1")).owner == "Ann"


def test_it_says_what_is_wrong_with_a_projection(invoke: Invoke, projected: Path) -> None:
    with service() as running:
        record_deposits(projected, 13)
        until(running, "1 event set aside (everfold parked list)")
        assert invoke("projections", "pause", "summaries", "--reason", "to look").exit_code == 0
        told = until(running, "summaries: paused")
        assert told.endswith(", 1 event set aside (everfold parked list): to look\n")


def test_a_reader_that_goes_away_ends_it(folder: Path) -> None:
    with everfold("run", BANK, "--no-http", "--follow", cwd=folder) as running:
        banner(running)
        assert running.stdout
        running.stdout.close()
        with App("everfold-demo", Account, store=str(folder / "everfold-demo.db")).blocking() as app:
            app.execute(OpenAccount(account_id="a1", owner="Ann"))
        assert running.wait(30) == 0


def test_a_server_leaves_projections_to_a_worker(folder: Path) -> None:
    with (
        everfold("run", BANK, "--role", "server", "--port", 0, cwd=folder) as server,
        everfold("run", BANK, "--role", "worker", "--port", 0, cwd=folder) as worker,
    ):
        by_server, by_worker = banner(server), banner(worker)
        assert "accounts (async), which others keep up to date (role = server)" in by_server[5]
        assert by_worker[1].endswith(", for /livez, /readyz, /version and /metrics only\n")
        assert not [line for line in by_worker if "sign in" in line]
        until(worker, "accounts: live")
        assert get(url_in(by_server) + "/readyz")["status"] == "ready"
        assert get(url_in(by_worker) + "/readyz")["status"] == "ready"
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(url_in(by_worker) + "/queries/get-account?account_id=a")


def test_the_http_api_of_a_module(folder: Path, invoke: Invoke) -> None:
    (folder / "web.py").write_text(
        "from everfold import App\nfrom everfold.http import HttpApi\nfrom everfold.http.gate import OPEN\n"
        "from everfold.cli.demo_bank import Account\n"
        "api = HttpApi(App('small', Account), gate=OPEN)\n"
    )
    with everfold("run", "web", "--port", 0, cwd=folder) as running:
        told = banner(running)
        assert get(url_in(told) + "/version")["app"] == "small"
        assert not [line for line in told if "sign in" in line]
    assert "Aggregate Account" in invoke("describe", "--app", "web:api").stdout


def test_without_authentication_nobody_has_to_sign_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERFOLD_AUTHENTICATION", "false")
    with everfold("run", BANK, "--port", 0, "--quiet", cwd=folder) as running:
        assert "not needed: everybody may do everything" in banner(running)[-2]


def test_an_address_that_is_taken(invoke: Invoke, folder: Path) -> None:
    from everfold.app.settings import Settings

    with listen(Settings(port=0)) as taken:
        result = invoke("run", BANK, "--port", taken.getsockname()[1])
    assert result.exit_code == 1
    assert "Choose another with --port" in result.stderr


def test_without_the_libraries_of_http(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "NEEDED", ("no_such_library",))
    result = invoke("run", BANK)
    assert result.exit_code == 1
    assert "[missing-extra]" in result.stderr
    assert "http" in result.stderr


def test_run_needs_an_app(invoke: Invoke) -> None:
    assert invoke("run").exit_code == 1


def test_a_broken_app_does_not_start(invoke: Invoke, folder: Path) -> None:
    (folder / "run_broken.py").write_text("from everfold import App\napp = App('x', lock_timeout='soon')\n")
    result = invoke("run", "run_broken:app")
    assert result.exit_code == 1
    assert "[configuration-error]" in result.stderr
