"""``everfold projections``: looking disturbs nothing, and operators' commands reach a service that runs."""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from everfold.cli import interruption
from everfold.cli import projections as module
from everfold.projections import builds
from tests.cli import projected_bank
from tests.cli.conftest import Invoke, record_deposits, service


def listed(invoke: Invoke, command: str = "list", *options: object) -> dict[str, Any]:
    result = invoke("projections", command, *options, "--json")
    assert result.exit_code == 0, result.stderr
    return {found["name"]: found for found in map(json.loads, result.stdout.splitlines())}


def build(invoke: Invoke) -> None:
    assert invoke("query", "get-summary", "account_id=a1").exit_code == 0


def test_what_nobody_has_run(invoke: Invoke, projected: Path) -> None:
    found = listed(invoke)
    assert {name: (each["mode"], each["state"]) for name, each in found.items()} == {
        "deposits-by-account": ("live", "folded when asked"),
        "opened-by-owner": ("inline", "not built yet"),
        "summaries": ("async", "never run"),
    }
    assert (found["summaries"]["lag"], found["summaries"]["build"]) == (4, None)


def test_looking_runs_nothing(invoke: Invoke, projected: Path) -> None:
    for _ in range(2):
        listed(invoke)
        listed(invoke, "status", "summaries")
    assert listed(invoke)["summaries"]["position"] == 0


def test_list_and_status_for_people(invoke: Invoke, projected: Path) -> None:
    build(invoke)
    record_deposits(projected, 5)
    lines = invoke("projections", "list").stdout.splitlines()
    assert lines[0].split() == ["projection", "mode", "state", "position", "behind", "seconds", "parked", "waiting"]
    assert lines[3].split()[:6] == ["summaries", "async", "not", "running", "4", "1"]
    page = invoke("projections", "status", "summaries").stdout
    assert "summaries  async, not running\n  position  4 of 5, 1 event behind, the oldest " in page
    assert "run by    nobody: start the app (everfold run)" in page
    assert invoke("projections", "status").stdout.count("position  ") == 3


def test_a_lag_is_the_age_of_the_oldest_event_not_dealt_with(invoke: Invoke, projected: Path) -> None:
    build(invoke)
    assert listed(invoke)["summaries"]["lag_seconds"] == 0
    record_deposits(projected, 5)
    found = listed(invoke)["summaries"]
    assert found["lag"] == 1
    assert found["lag_seconds"] >= 0


@pytest.mark.parametrize("command", [["status"], ["pause"], ["resume"], ["rebuild"], ["rebuild", "--dry-run"]])
def test_a_projection_that_is_not_there(invoke: Invoke, projected: Path, command: list[str]) -> None:
    result = invoke("projections", *command, "sumaries")
    assert result.exit_code == 1
    assert "There is no projection 'sumaries'." in result.stderr
    assert "summaries" in result.stderr


@pytest.mark.parametrize("command", [["pause"], ["resume"], ["reset", "--yes"], ["rebuild", "--dry-run"]])
def test_nothing_can_be_done_with_what_was_never_run(invoke: Invoke, projected: Path, command: list[str]) -> None:
    result = invoke("projections", *command, "summaries")
    assert result.exit_code == 1
    assert "Nothing has run it yet. Start the app: everfold run." in result.stderr


@pytest.mark.parametrize("command", [["pause"], ["resume"], ["reset", "--yes"], ["rebuild"], ["rebuild", "--dry-run"]])
def test_a_live_projection_has_nothing_to_operate_on(invoke: Invoke, projected: Path, command: list[str]) -> None:
    result = invoke("projections", *command, "deposits-by-account")
    assert result.exit_code == 1
    assert "nothing is kept of it" in result.stderr


def test_pause_and_resume(invoke: Invoke, projected: Path) -> None:
    build(invoke)
    result = invoke("projections", "pause", "summaries", "--reason", "wrong totals")
    assert result.stdout.startswith("summaries is paused at position 4: wrong totals.")
    assert "everfold projections resume summaries" in result.stderr
    record_deposits(projected, 5)
    behind = invoke("query", "get-summary", "account_id=a1")
    assert behind.exit_code == 1
    assert "it is paused (wrong totals)" in behind.stderr
    result = invoke("projections", "resume", "summaries")
    assert (
        result.stdout == "summaries goes on from position 4, 5 events behind. It was: wrong totals.\n"
    )  # 4 of the audit
    assert "Nobody runs it at the moment." in result.stderr
    assert invoke("query", "get-summary", "account_id=a1").exit_code == 0
    assert invoke("projections", "resume", "summaries").stdout == "summaries was not paused.\n"
    paused = invoke("projections", "pause", "summaries", "--json").stdout
    assert json.loads(paused) == {"name": "summaries", "paused": "somebody paused it"}
    assert json.loads(invoke("projections", "resume", "summaries", "--json").stdout)["paused"] is None


def test_reset_asks(invoke: Invoke, projected: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    build(invoke)
    refused = invoke("projections", "reset", "summaries")
    assert refused.exit_code == 2
    assert "--yes" in refused.stderr

    def on_a_terminal(name: str) -> None:
        click.confirm("Empty it?", abort=True, err=True)

    monkeypatch.setattr(module, "_confirm", on_a_terminal)
    assert invoke("projections", "reset", "summaries", input="n\n").exit_code == 130
    assert listed(invoke)["summaries"]["build"] == 1
    assert "begins anew as build 2" in invoke("projections", "reset", "summaries", input="y\n").stdout
    found = listed(invoke)["summaries"]
    assert (found["build"], found["position"]) == (2, 0)
    assert json.loads(invoke("projections", "reset", "summaries", "--yes", "--json").stdout)["build"] == 3


def test_rebuild(invoke: Invoke, projected: Path) -> None:
    build(invoke)
    result = invoke("projections", "rebuild", "summaries")
    assert result.exit_code == 0
    assert result.stdout.startswith("summaries was rebuilt and switched to build 2: 5 events in ")  # one of the audit
    assert "Nobody runs it at the moment." in result.stderr
    found = json.loads(invoke("projections", "rebuild", "summaries", "--json").stdout)
    assert (found["name"], found["build"], found["position"]) == ("summaries", 3, 7)


def test_a_rebuild_ends_a_pause_and_says_so(invoke: Invoke, projected: Path) -> None:
    build(invoke)
    invoke("projections", "pause", "summaries", "--reason", "wrong totals")
    assert "It was paused (wrong totals); the new build is not." in invoke("projections", "rebuild", "summaries").stderr


def test_a_dry_run_tells_that_nothing_would_change(invoke: Invoke, projected: Path) -> None:
    build(invoke)
    result = invoke("projections", "rebuild", "summaries", "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "A rebuild of summaries at position 4 would change nothing.",
        "  table    same  added  removed  changed",
        "  summary     2      0        0        0",
    ]
    assert listed(invoke)["summaries"]["build"] == 1


def test_a_dry_run_shows_the_rows_that_would_change(invoke: Invoke, projected: Path) -> None:
    build(invoke)
    change_rows(projected)
    result = invoke("projections", "rebuild", "summaries", "--dry-run")
    assert result.exit_code == 3
    assert result.stdout.splitlines()[0] == "A rebuild of summaries at position 4 would change 3 rows:"
    assert result.stdout.splitlines()[2:] == [
        "  summary     0      1        1        1",
        "",
        "  ~ summary a1  balance: 7 -> 150",
        '  + summary b1  {"account_id":"b1","owner":"Bob","balance":0}',
        '  - summary c1  {"account_id":"c1","owner":"?","balance":0}',
    ]
    found = json.loads(invoke("projections", "rebuild", "summaries", "--dry-run", "--json").stdout)
    assert (found["would_change"], found["tables"][0]["changed"]) == (True, 1)
    assert found["tables"][0]["examples"][0]["fields"] == ["balance"]
    invoke("projections", "rebuild", "summaries")
    assert invoke("projections", "rebuild", "summaries", "--dry-run").exit_code == 0


def change_rows(store: Path) -> None:
    import sqlite3

    connection = sqlite3.connect(store.with_name("bank.views.db"))
    with connection:
        connection.execute("UPDATE summary__1 SET balance = 7 WHERE account_id = 'a1'")
        connection.execute("DELETE FROM summary__1 WHERE account_id = 'b1'")
        connection.execute("INSERT INTO summary__1 VALUES ('c1', '?', 0)")
    connection.close()


def test_an_app_without_projections(invoke: Invoke, projected: Path, folder: Path) -> None:
    (folder / "without_projections.py").write_text("from everfold import App\napp = App('x')\n")
    result = invoke("projections", "list", "--app", "without_projections")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "has no projections" in result.stderr


def test_a_store_is_never_made(invoke: Invoke, projected: Path, folder: Path) -> None:
    before = set(folder.iterdir())
    for command in (["projections", "list"], ["parked", "list"], ["query", "get-summary", "account_id=a1"]):
        result = invoke(*command, "--store", "missing.db")
        assert "[store-unavailable]" in result.stderr
    assert set(folder.iterdir()) == before


def test_a_running_service_goes_on_by_what_operators_say(invoke: Invoke, projected: Path) -> None:
    with service() as running:
        before = listed(invoke)["summaries"]
        assert (before["state"], before["position"]) == ("running elsewhere", 4)
        invoke("query", "get-summary", "account_id=a1")
        assert listed(invoke)["summaries"]["runner"] == before["runner"]
        record_deposits(projected, 5)
        answer = json.loads(invoke("query", "get-summary", "account_id=a1", "--json").stdout)
        assert answer["balance"] == 155
        rebuilt = invoke("projections", "rebuild", "summaries")
        assert rebuilt.stdout.startswith("summaries was rebuilt and switched to build 2")
        record_deposits(projected, 5)
        answer = json.loads(invoke("query", "get-summary", "account_id=a1", "--json").stdout)
        assert answer["balance"] == 160
        running.terminate()
        assert running.wait(30) == 0
    assert listed(invoke)["summaries"]["build"] == 2


class Press:
    """Presses Ctrl-C, and waits until the command line has noticed."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._noticed = threading.Event()
        patch.setattr(interruption, "_handle", self._handle)

    def _handle(self, loop: asyncio.AbstractEventLoop, number: int, handler: Callable[[], None]) -> bool:
        def told() -> None:
            handler()
            self._noticed.set()

        loop.add_signal_handler(number, told)
        return True

    def __call__(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        assert self._noticed.wait(30)

    def __contains__(self, amount: object) -> bool:
        self()
        return False


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")
@pytest.mark.parametrize("is_built", [True, False])
def test_an_interrupted_rebuild_changes_nothing_and_can_be_run_again(
    invoke: Invoke, projected: Path, monkeypatch: pytest.MonkeyPatch, *, is_built: bool
) -> None:
    if is_built:
        build(invoke)
    with monkeypatch.context() as patch:
        patch.setattr(projected_bank, "UNLUCKY", Press(patch))
        result = invoke("projections", "rebuild", "summaries")
    assert result.exit_code == 130
    assert result.stderr == "Stopped. Nothing has changed: the live tables are as they were.\n"
    if is_built:
        assert listed(invoke)["summaries"]["build"] == 1
    again = invoke("projections", "rebuild", "summaries")
    assert again.exit_code == 0, again.stderr
    assert listed(invoke)["summaries"]["position"] == 6  # 2 of the audit: that both started


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")
def test_an_interruption_during_the_switch_comes_too_late_and_that_is_said(
    invoke: Invoke, projected: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(invoke)
    switch = builds.activate

    def interrupted(*arguments: Any, **options: Any) -> Any:
        press()
        return switch(*arguments, **options)

    press = Press(monkeypatch)
    monkeypatch.setattr("everfold.projections.rebuild.activate", interrupted)
    result = invoke("projections", "rebuild", "summaries")
    assert result.exit_code == 0
    assert "switched to build 2" in result.stdout


def test_an_inline_projection(invoke: Invoke, projected: Path) -> None:
    assert invoke("query", "count-opened", "owner=Ann").exit_code == 0
    assert listed(invoke)["opened-by-owner"]["state"] == "written by every append"
    record_deposits(projected, 5)  # by a program that does not know it
    assert listed(invoke)["opened-by-owner"]["state"] == "behind until the app runs"
    assert invoke("query", "count-opened", "owner=Ann").exit_code == 0
    assert listed(invoke)["opened-by-owner"]["lag"] == 0
    assert "switched to build 2" in invoke("projections", "rebuild", "opened-by-owner").stdout
    assert invoke("projections", "rebuild", "opened-by-owner", "--dry-run").exit_code == 0
    invoke("projections", "reset", "opened-by-owner", "--yes")
    assert invoke("query", "count-opened", "owner=Ann").stdout == "owner  Ann\ncount  1\n"
