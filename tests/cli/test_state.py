"""``everfold state``: now, at a place, and the difference between two."""

import json
from pathlib import Path
from typing import Any

import pytest

from everfold.cli.differences import changes
from tests.cli.conftest import Invoke

APP = ("--app", "everfold.cli.demo_bank:app")


def state(invoke: Invoke, bank: Path, *options: object) -> Any:
    result = invoke("state", "account", "a1", *options, "--json", *APP, "--store", bank)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_the_newest_state(invoke: Invoke, bank: Path) -> None:
    assert state(invoke, bank) == {
        "aggregate": "Account",
        "category": "account",
        "key": "a1",
        "stream": "account-a1",
        "version": 3,
        "position": 3,
        "time": "2030-01-01T14:00:00Z",
        "state": {"is_open": True, "owner": "Ann", "balance": 120},
    }


@pytest.mark.parametrize(
    ("place", "balance"),
    [("1", 100), ("2", 150), ("@2", 150), ("@99", 120), ("2030-01-01T12:30Z", 100), ("now", 120), ("0", 0)],
)
def test_a_past_state(invoke: Invoke, bank: Path, place: str, balance: int) -> None:
    assert state(invoke, bank, "--at", place)["state"]["balance"] == balance


def test_for_people(invoke: Invoke, bank: Path) -> None:
    result = invoke("state", "Account", "a1", "--at", 2, *APP, "--store", bank)
    assert result.stdout == (
        "Account a1  version 2, position 2, 2030-01-01 13:00:00.000Z\n"
        '  is_open  true\n  owner    "Ann"\n  balance  150\n'
    )


def test_a_difference(invoke: Invoke, bank: Path) -> None:
    result = invoke("state", "account", "a1", "--diff", 0, 2, *APP, "--store", bank)
    assert result.stdout.splitlines()[2:] == [
        "  ~ is_open: false -> true",
        '  ~ owner: "" -> "Ann"',
        "  ~ balance: 0 -> 150",
    ]
    found = state(invoke, bank, "--diff", "1", "now")
    assert found["changes"] == [{"path": "balance", "change": "changed", "before": 100, "after": 120}]
    assert (found["before"]["version"], found["after"]["version"]) == (1, 3)


def test_no_difference(invoke: Invoke, bank: Path) -> None:
    result = invoke("state", "account", "a1", "--diff", 2, 2, *APP, "--store", bank)
    assert "Nothing changed." in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "hint"),
    [
        (["acount", "a1"], 1, "Did you mean 'account'?"),
        (["order", "a1"], 1, "The app 'everfold-demo' has account."),
        (["account", "a9"], 1, "Did you mean 'account-a1'?"),
        (["account", "b1", "--at", "2030-01-01T12:00Z"], 1, "No event was recorded for it by"),
        (["account", "a1", "--at", "9"], 1, "It has 3 versions."),
        (["account", "a 1"], 1, "[invalid-name]"),
        (["account", "a1", "--at", "1", "--diff", "1", "2"], 2, "not both"),
        (["account", "a1", "--at", "soon"], 2, "no VERSION"),
        (["account", "a1", "--at", "2030-01-01T12:00"], 2, "no time zone"),
    ],
)
def test_what_is_wrong_is_said(invoke: Invoke, bank: Path, arguments: list[str], code: int, hint: str) -> None:
    result = invoke("state", *arguments, *APP, "--store", bank)
    assert result.exit_code == code
    assert hint in " ".join(result.stderr.split())


def test_looking_changes_nothing(invoke: Invoke, bank: Path) -> None:
    before = bank.read_bytes()
    state(invoke, bank)
    assert bank.read_bytes() == before


def test_nested_differences() -> None:
    before = {"items": [{"sku": "a", "count": 1}, {"sku": "b"}], "gone": 1, "kind": 1}
    after = {"items": [{"sku": "a", "count": 2}], "new": [1], "kind": "1"}
    lines = [line for change in changes(before, after) for line in change.lines()]
    assert lines == [
        "~ items.0.count: 1 -> 2",
        '- items.1: {"sku":"b"}',
        "- gone: 1",
        '~ kind: 1 -> "1"',
        "+ new: [1]",
    ]
