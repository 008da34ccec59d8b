"""``everfold parked``: what projections gave up on is looked at, mended, tried again, skipped; the record stays."""

import json
from pathlib import Path

import pytest

from tests.cli import projected_bank
from tests.cli.conftest import Invoke, record_deposits


@pytest.fixture
def unlucky(invoke: Invoke, projected: Path) -> Path:
    """Position 5 failed, and position 6 waits behind it."""
    record_deposits(projected, 13, 1)
    built = invoke("projections", "rebuild", "summaries")  # sets aside what fails at once, without further tries
    assert built.exit_code == 0, built.stderr
    return projected


def balance(invoke: Invoke) -> int:
    found: int = json.loads(invoke("query", "get-summary", "account_id=a1", "--json").stdout)["balance"]
    return found


def test_list(invoke: Invoke, unlucky: Path) -> None:
    result = invoke("parked", "list")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].split() == [
        "summaries",
        "5",
        "account-a1",
        "money-deposited",
        "1",
        "ValueError:",
        "unlucky",
    ]
    assert "everfold parked show summaries 5" in result.stderr
    found = json.loads(invoke("parked", "list", "summaries", "--json").stdout)
    assert (found["projection"], found["position"], found["error"]) == ("summaries", 5, "ValueError: unlucky")
    assert invoke("parked", "list", "opened-by-owner").stderr == "No event is set aside.\n"


def test_a_rebuild_tells_what_it_set_aside(invoke: Invoke, unlucky: Path) -> None:
    assert (
        "It set 1 event aside: everfold parked list summaries" in invoke("projections", "rebuild", "summaries").stderr
    )


def test_show(invoke: Invoke, unlucky: Path) -> None:
    result = invoke("parked", "show", "summaries", 5)
    assert result.exit_code == 0
    text = result.stdout
    assert text.startswith("summaries failed on position 5, 1 time, last ")
    assert 'raise ValueError("unlucky")' in text
    assert '"amount": 13' in text
    assert "1 later event waits behind it:\n         6  money-deposited\n" in text
    assert "everfold parked skip summaries 5 --reason TEXT" in result.stderr
    found = json.loads(invoke("parked", "show", "summaries", 5, "--json").stdout)
    assert found["traceback"].startswith("Traceback")
    assert found["event"]["data"] == {"amount": 13}
    assert found["waiting"] == [{"position": 6, "type": "money-deposited"}]


def test_retry_that_fails_again(invoke: Invoke, unlucky: Path) -> None:
    result = invoke("parked", "retry", "summaries", "account-a1")
    assert result.exit_code == 3
    assert result.stdout == (
        "summaries: 0 events are off the list.\n  position 5 of account-a1 failed again: ValueError: unlucky\n"
    )
    assert json.loads(invoke("parked", "list", "--json").stdout)["attempts"] == 2


@pytest.mark.parametrize("which", ["account-a1", "--all"])
def test_retry_after_the_cause_is_gone(
    invoke: Invoke, unlucky: Path, monkeypatch: pytest.MonkeyPatch, which: str
) -> None:
    monkeypatch.setattr(projected_bank, "UNLUCKY", set[int]())
    result = invoke("parked", "retry", "summaries", which)
    assert (result.exit_code, result.stdout) == (0, "summaries: 2 events are off the list.\n")
    assert invoke("parked", "list").stdout == ""
    assert balance(invoke) == 164


def test_retry_needs_a_stream_or_all(invoke: Invoke, unlucky: Path) -> None:
    assert invoke("parked", "retry", "summaries").exit_code == 2
    assert invoke("parked", "retry", "summaries", "account-a1", "--all").exit_code == 2
    result = invoke("parked", "retry", "summaries", "account-b1")
    assert result.exit_code == 1
    assert "summaries has: account-a1." in result.stderr


def test_skip(invoke: Invoke, unlucky: Path) -> None:
    result = invoke("parked", "skip", "summaries", 5, "--reason", "a test", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"projection": "summaries", "applied": 2, "still_parked": []}
    assert balance(invoke) == 151
    invoke("projections", "rebuild", "summaries")
    assert balance(invoke) == 151  # the decision holds for rebuilds
    assert invoke("parked", "list").stdout == ""


def test_edit_keeps_the_record(invoke: Invoke, unlucky: Path) -> None:
    options = ("--reason", "sent twice", "--actor", "ann")
    result = invoke("parked", "edit", "summaries", 5, "--data", '{"amount": 3}', *options)
    assert (result.exit_code, result.stdout) == (0, "summaries: 2 events are off the list.\n")
    assert balance(invoke) == 154
    assert json.loads(invoke("events", "show", 5, "--json").stdout)["data"] == {"amount": 13}
    invoke("projections", "rebuild", "summaries")
    assert balance(invoke) == 154


def test_edit_that_fails_again(invoke: Invoke, unlucky: Path) -> None:
    result = invoke("parked", "edit", "summaries", 5, "--data", '{"amount": "x"}', "--reason", "a try")
    assert result.exit_code == 3
    assert "position 5 of account-a1 failed again" in result.stdout
    result = invoke("parked", "edit", "summaries", 5, "--data", "no json", "--reason", "a try")
    assert result.exit_code == 1
    assert "[invalid-message]" in result.stderr


@pytest.mark.parametrize("command", [["show"], ["skip", "--reason", "x"], ["edit", "--reason", "x", "--data", "{}"]])
def test_a_place_where_nothing_was_set_aside(invoke: Invoke, unlucky: Path, command: list[str]) -> None:
    name, *options = command
    result = invoke("parked", name, "summaries", 6, *options)
    assert result.exit_code == 1
    assert "There is no event set aside at position '6'. summaries has set aside those at 5." in result.stderr


def test_a_reason_is_needed(invoke: Invoke, unlucky: Path) -> None:
    assert invoke("parked", "skip", "summaries", 5).exit_code == 2
    assert "it has no reason" in invoke("parked", "skip", "summaries", 5, "--reason", " ").stderr
