"""``everfold compare``: a read model beside the legacy table of the same accounts."""

import json
import sqlite3
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, record_deposits

MAPPED = ("--table", "accounts", "--column", "acct_no=account_id", "--column", "name=owner")


@pytest.fixture
def legacy(projected: Path) -> str:
    """The URL of a legacy database that says what the read model says."""
    path = projected.with_name("old.sqlite")
    connection = sqlite3.connect(path)
    with connection:
        connection.execute("CREATE TABLE accounts (acct_no TEXT PRIMARY KEY, name TEXT, balance REAL, note TEXT)")
        connection.execute("INSERT INTO accounts VALUES ('b1', 'Bob', 0, ''), ('a1', 'Ann', 150.0, '')")
    connection.close()
    return f"sqlite:///{path}"


def change(legacy: str, *statements: str) -> None:
    connection = sqlite3.connect(legacy.removeprefix("sqlite:///"))
    with connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_equal(invoke: Invoke, legacy: str) -> None:
    result = invoke("compare", "summaries.summary", "--legacy", legacy, *MAPPED)
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith("summary at position 4 and the legacy table: equal (2 rows in ")
    assert "compared: account_id, owner, balance" in result.stderr
    assert "not compared, because no field has their name: note" in result.stderr


def test_different(invoke: Invoke, legacy: str, projected: Path) -> None:
    change(
        legacy,
        "UPDATE accounts SET balance = 149.5, name = 'Anne' WHERE acct_no = 'a1'",
        "DELETE FROM accounts WHERE acct_no = 'b1'",
        "INSERT INTO accounts VALUES ('c1', 'Cleo', 1, '')",
    )
    result = invoke("compare", "summary", "--legacy", legacy, *MAPPED)
    assert result.exit_code == 3
    assert result.stdout.splitlines()[1:] == [
        "  table    same  only read model  only legacy  different",
        "  summary     0                1            1          1",
        "",
        '  ~ summary a1  owner: "Anne" -> "Ann"; balance: 149.5 -> 150',
        '  + summary b1  {"account_id":"b1","owner":"Bob","balance":0}',
        '  - summary c1  {"account_id":"c1","owner":"Cleo","balance":1}',
    ]
    options = ("--tolerance", "balance=1", "--ignore", "owner", "--json")
    result = invoke("compare", "summary", "--legacy", legacy, *MAPPED, *options)
    assert result.exit_code == 3, result.stderr
    found = json.loads(result.stdout)
    assert (found["equal"], found["same"], found["different"]) == (False, 1, 0)
    assert (found["only_legacy"], found["only_read_model"], found["compared"]) == (1, 1, ["account_id", "balance"])
    assert [(each["kind"], each["key"]) for each in found["examples"]] == [
        ("only_read_model", ["b1"]),
        ("only_legacy", ["c1"]),
    ]


def test_it_is_brought_up_to_date_first(invoke: Invoke, legacy: str, projected: Path) -> None:
    record_deposits(projected, 5)
    assert invoke("compare", "summary", "--legacy", legacy, *MAPPED, "--tolerance", "4").exit_code == 3
    assert invoke("compare", "summary", "--legacy", legacy, *MAPPED, "--tolerance", "5").exit_code == 0


def test_a_select(invoke: Invoke, legacy: str) -> None:
    query = "SELECT acct_no AS account_id, name AS owner, balance FROM accounts"
    result = invoke("compare", "summary", "--legacy", legacy, "--table", query)
    assert result.exit_code == 0, result.stderr


def test_an_inline_read_model(invoke: Invoke, legacy: str) -> None:
    query = "SELECT name AS owner, count(*) AS count FROM accounts GROUP BY name"
    assert invoke("compare", "opened-by-owner.opened", "--legacy", legacy, "--table", query).exit_code == 0


@pytest.mark.parametrize(
    ("named", "options", "code", "hint"),
    [
        ("sumary", [], 1, "Did you mean 'summary'?"),
        ("deposits", [], 1, "nothing is kept to compare with"),
        ("summary", ["--column", "nonsense"], 2, "write LEGACY=FIELD"),
        ("summary", ["--tolerance", "x"], 2, "is no number"),
        ("summary", ["--tolerance", "x=1"], 2, "There is account_id, owner, balance."),
        ("summary", ["--key", "x"], 1, "has no field 'x'"),
        ("summary", ["--column", "x=balance"], 1, "has no column 'x'"),
    ],
)
def test_what_is_wrong_is_said(
    invoke: Invoke, legacy: str, named: str, options: list[str], code: int, hint: str
) -> None:
    result = invoke("compare", named, "--legacy", legacy, *MAPPED, *options)
    assert result.exit_code == code
    assert hint in result.stderr


def test_a_database_that_cannot_be_read(invoke: Invoke, legacy: str) -> None:
    result = invoke("compare", "summary", "--legacy", legacy, "--table", "missing")
    assert (result.exit_code, "[invalid-import]" in result.stderr) == (1, True)
    result = invoke("compare", "summary", "--legacy", "nonsense", "--table", "accounts")
    assert (result.exit_code, "[configuration-error]" in result.stderr) == (1, True)
