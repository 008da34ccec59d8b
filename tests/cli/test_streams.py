"""``everfold streams``: list and show."""

import json
from pathlib import Path

from tests.cli.conftest import Invoke


def test_list(invoke: Invoke, bank: Path) -> None:
    result = invoke("streams", "list", "--store", bank)
    assert (
        result.stdout == "stream      version  position\naccount-a1        3         3\naccount-b1        1         4\n"
    )


def test_list_as_json(invoke: Invoke, bank: Path) -> None:
    result = invoke("streams", "list", "--json", "--store", bank)
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"stream": "account-a1", "version": 3, "position": 3},
        {"stream": "account-b1", "version": 1, "position": 4},
    ]


def test_list_in_pages(invoke: Invoke, bank: Path) -> None:
    first = invoke("streams", "list", "--limit", 1, "--store", bank)
    assert "account-a1" in first.stdout
    assert "There are more: --after account-a1" in first.stderr
    second = invoke("streams", "list", "--limit", 1, "--after", "account-a1", "--store", bank)
    assert "account-b1" in second.stdout
    assert second.stderr == ""


def test_list_some(invoke: Invoke, bank: Path) -> None:
    assert "account-a1" not in invoke("streams", "list", "--prefix", "account-b", "--store", bank).stdout
    assert "account-a1" in invoke("streams", "list", "--category", "account", "--store", bank).stdout
    assert invoke("streams", "list", "--category", "acc", "--store", bank).stderr == "No stream fits.\n"
    assert invoke("streams", "list", "--category", "a", "--prefix", "b", "--store", bank).exit_code == 2


def test_show(invoke: Invoke, bank: Path) -> None:
    result = invoke("streams", "show", "account-a1", "-n", 2, "--store", bank)
    assert result.stdout.startswith("account-a1  version 3, since 2030-01-01 12:00:00.000Z\n")
    assert "money-deposited" in result.stdout
    assert "account-opened" not in result.stdout
    assert "everfold events read --stream account-a1" in result.stderr
    assert "money" not in invoke("streams", "show", "account-a1", "-n", 0, "--store", bank).stdout


def test_show_as_json(invoke: Invoke, bank: Path) -> None:
    found = json.loads(invoke("streams", "show", "account-a1", "--json", "--store", bank).stdout)
    assert (found["category"], found["key"], found["version"], found["position"]) == ("account", "a1", 3, 3)
    assert (found["first"]["version"], found["last"]["version"]) == (1, 3)


def test_show_an_unknown_stream(invoke: Invoke, bank: Path) -> None:
    result = invoke("streams", "show", "account-b2", "--store", bank)
    assert result.exit_code == 1
    assert "There is no stream 'account-b2'. Did you mean 'account-b1'?" in result.stderr
