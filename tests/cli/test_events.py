"""``everfold events``: tail, read, show."""

import json
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from everfold.app.application import App
from everfold.cli.demo_bank import Account, Deposit
from everfold.cli.output import printable
from everfold.cli.record_text import RecordLines, record_json, record_page
from everfold.log.record import Record
from tests.cli.conftest import Invoke, everfold

A1_OPENED: dict[str, Any] = {
    "position": 1,
    "stream": "account-a1",
    "version": 1,
    "type": "account-opened",
    "schema_version": 1,
    "time": "2030-01-01T12:00:00Z",
    "data": {"owner": "Ann", "initial_balance": 100},
    "tags": [],
}


def objects(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def positions(text: str) -> list[int]:
    return [found["position"] for found in objects(text)]


def test_json_has_the_documented_shape(invoke: Invoke, bank: Path) -> None:
    result = invoke("events", "read", "--limit", 1, "--json", "--store", bank)
    (found,) = objects(result.stdout)
    assert found.pop("metadata")["actor"] == "ann"
    assert len(found.pop("id")) == 36
    assert found == A1_OPENED


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], [1, 2, 3, 4]),
        (["--backwards"], [4, 3, 2, 1]),
        (["--after", 2], [3, 4]),
        (["--until", 2], [1, 2]),
        (["--after", 1, "--until", 3], [2, 3]),
        (["--after", "2030-01-01T13:00:00Z"], [3, 4]),
        (["--until", "2030-01-01T15:00+01:00"], [1, 2, 3]),
        (["--limit", 2, "--backwards"], [4, 3]),
        (["--category", "account"], [1, 2, 3, 4]),
        (["--stream", "account-a1"], [1, 2, 3]),
        (["--type", "money-deposited", "--type", "money-withdrawn"], [2, 3]),
        (["--tag", "nobody:has-it"], []),
    ],
)
def test_read_selects(invoke: Invoke, bank: Path, options: list[object], expected: list[int]) -> None:
    result = invoke("events", "read", "--json", "--store", bank, *options)
    assert (result.exit_code, positions(result.stdout)) == (0, expected)


def test_people_get_a_line_for_each_event(invoke: Invoke, bank: Path) -> None:
    result = invoke("events", "read", "--stream", "account-b1", "--store", bank)
    assert result.stdout == (
        '       4  2030-01-01 15:00:00.000Z  account-b1@1  account-opened  {"owner":"Bob","initial_balance":0}\n'
    )


def test_nothing_found_is_said_on_standard_error(invoke: Invoke, bank: Path) -> None:
    result = invoke("events", "read", "--type", "unheard-of", "--store", bank)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "No event fits.\n")
    assert invoke("events", "read", "--type", "unheard-of", "--store", bank, "--quiet").stderr == ""


@pytest.mark.parametrize(
    ("stream", "hint"),
    [
        ("account-a2", "Did you mean 'account-a1'?"),
        ("acount-a1", "Did you mean 'account-a1'?"),
        ("order-77", "The categories are account."),
    ],
)
def test_a_misspelt_stream_is_an_error(invoke: Invoke, bank: Path, stream: str, hint: str) -> None:
    result = invoke("events", "read", "--stream", stream, "--store", bank)
    assert result.exit_code == 1
    assert hint in result.stderr


@pytest.mark.parametrize("name", ["no dash", "account-🙂", "-x"])
def test_a_name_that_cannot_be_is_an_error(invoke: Invoke, bank: Path, name: str) -> None:
    result = invoke("events", "read", f"--stream={name}", "--store", bank)
    assert result.exit_code == 1
    assert "[invalid-name]" in result.stderr


def test_a_moment_needs_a_time_zone(invoke: Invoke, bank: Path) -> None:
    result = invoke("events", "read", "--after", "2030-01-01T12:00", "--store", bank)
    assert result.exit_code == 2
    assert "Write 2030-01-01T12:00Z" in result.stderr
    assert invoke("events", "read", "--after", "soon", "--store", bank).exit_code == 2


def test_tail_shows_the_newest_in_order(invoke: Invoke, bank: Path) -> None:
    assert positions(invoke("events", "tail", "--json", "--store", bank).stdout) == [1, 2, 3, 4]
    assert positions(invoke("events", "tail", "-n", 2, "--json", "--store", bank).stdout) == [3, 4]
    assert positions(invoke("events", "tail", "--after", 3, "--json", "--store", bank).stdout) == [4]
    assert positions(invoke("events", "tail", "--stream", "account-a1", "-n", 1, "--json", "--store", bank).stdout) == [
        3
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_tail_follows_other_processes_until_it_is_stopped(bank: Path, number: signal.Signals) -> None:
    with everfold("events", "tail", "-f", "-n", 1, "--json", "--store", bank) as following:
        assert following.stdout and following.stderr
        assert json.loads(following.stdout.readline())["position"] == 4
        with App("bank", Account, store=str(bank)).blocking() as app:
            for _ in range(3):
                app.execute(Deposit(account_id="b1", amount=5))
        assert [json.loads(following.stdout.readline())["position"] for _ in range(3)] == [5, 6, 7]
        following.send_signal(number)
        assert following.wait(30) == 0
        assert following.stderr.read() == ""


def test_show_by_position(invoke: Invoke, bank: Path) -> None:
    result = invoke("events", "show", 2, "--store", bank)
    assert result.exit_code == 0
    assert "account-a1 (version 2)" in result.stdout
    assert '"amount": 50' in result.stdout
    assert '"actor": "ann"' in result.stdout


def test_show_by_id(invoke: Invoke, bank: Path) -> None:
    (found,) = objects(invoke("events", "show", 3, "--json", "--store", bank).stdout)
    again = invoke("events", "show", found["id"].upper(), "--json", "--store", bank)
    assert objects(again.stdout) == [found]


@pytest.mark.parametrize(
    ("place", "hint"),
    [
        ("9", "The log ends at position 4."),
        ("what", "Give a position"),
        ("01234567-89ab-7cde-8f01-23456789abcd", "There is no record with the id '01234567-89ab-7cde"),
        ("01234567-89ab-4cde-8f01-23456789abcd", "There is no record with the id '01234567-89ab-4cde"),
    ],
)
def test_show_says_what_is_not_there(invoke: Invoke, bank: Path, place: str, hint: str) -> None:
    result = invoke("events", "show", place, "--store", bank)
    assert result.exit_code == 1
    assert hint in result.stderr
    assert "[not-found]" in result.stderr


def record(data: str) -> Record:
    return Record(1, "a-b", 1, "t\x1b[2J", 1, "id", 0, data)


def test_stored_text_cannot_steer_the_terminal() -> None:
    assert printable("a\x1b[31m\u202eb\u009b") == "a\\x1b[31m\\x202eb\\x9b"
    assert "\x1b" not in RecordLines().line(record('{"a":"\u009b"}'))
    assert "\u009b" not in record_page(record('{"a":"\u009b"}'))


def test_data_that_is_no_json_is_shown_as_it_is() -> None:
    assert "(damaged, not JSON) {oh" in record_page(record("{oh"))


def test_json_stays_on_one_line() -> None:
    assert bytes(record_json(record('{\n "a": 1}')).data) == b'{"a":1}'


def test_long_data_is_cut_to_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")
    line = RecordLines().line(record('{"a":"' + "x" * 500 + '"}'))
    assert len(line) == 80
    assert line.endswith("...")
    monkeypatch.delenv("NO_COLOR")
    assert "\x1b[36m" in RecordLines().line(record("{}"))
