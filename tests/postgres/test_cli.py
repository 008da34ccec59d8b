"""The command line on a store in PostgreSQL: every command, which store is meant, and that looking makes none."""

import json
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from click.testing import CliRunner, Result

from everfold import App
from everfold.cli.demo_bank import Account, Deposit, OpenAccount, Withdraw
from everfold.cli.found_store import find_store
from everfold.cli.program import program
from everfold.cli.store_option import app_store, choose_store
from tests.postgres.server import PostgresServer

Invoke = Callable[..., Result]
APP = "tests.cli.projected_bank:app"
SCHEMA = "projected_bank"
"""Of an app that is called projected-bank."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, and no settings but those of the test."""
    for name in os.environ:
        if name.startswith("EVERFOLD_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def invoke() -> Invoke:
    return lambda *arguments: CliRunner().invoke(program, [str(argument) for argument in arguments])


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a database without any store."""
    name = f"cli_{uuid.uuid4().hex[:12]}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield urlsplit(postgres_server.url())._replace(path=f"/{name}").geturl()
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def bank(database: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The database with a bank in it, three events of account-a1 and one of account-b1; it is that of the app."""
    monkeypatch.setenv("EVERFOLD_APP", APP)
    monkeypatch.setenv("EVERFOLD_STORE", database)
    fill(f"{database}?schema={SCHEMA}")
    return database


def fill(url: str) -> None:
    with App("bank", Account, store=url).blocking() as app:
        for command in (
            OpenAccount(account_id="a1", owner="Ann", initial_balance=100),
            Deposit(account_id="a1", amount=13),
            Withdraw(account_id="a1", amount=30),
            OpenAccount(account_id="b1", owner="Bob"),
        ):
            app.execute(command)


def schemas(database: str) -> set[str]:
    with psycopg.connect(database) as connection:
        found = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname NOT LIKE 'pg\\_%%' AND nspname NOT IN ('public', %s)",
            ["information_schema"],
        )
        return {name for (name,) in found}


def told(invoke: Invoke, *arguments: object, code: int = 0) -> str:
    result = invoke(*arguments)
    assert result.exit_code == code, (arguments, result.output, result.exception)
    return result.stdout


# --- which store is meant


def test_the_only_store_of_a_database_needs_no_name(invoke: Invoke, database: str) -> None:
    fill(f"{database}?schema=till")
    assert told(invoke, "streams", "list", "--store", database).count("account-") == 2
    assert find_store(database).place == f"{database}?schema=till"


def test_of_several_stores_one_has_to_be_named(invoke: Invoke, database: str) -> None:
    fill(f"{database}?schema=till")
    fill(f"{database}?schema=branch")
    refused = invoke("streams", "list", "--store", database)
    assert refused.exit_code == 1
    for words in ("There are 2 stores", "?schema=NAME", "--app MODULE:NAME", "branch, till."):
        assert words in refused.stderr
    assert told(invoke, "streams", "list", "--store", f"{database}?schema=branch").count("account-") == 2
    assert schemas(database) == {"till", "branch"}


def test_an_app_has_the_schema_of_its_name(invoke: Invoke, bank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(f"{bank}?schema=another")
    for arguments in ([], ["--app", APP], ["--store", bank], ["--store", bank, "--app", APP]):
        assert told(invoke, "events", "read", *arguments).count("account-opened") == 2
    monkeypatch.delenv("EVERFOLD_STORE")
    monkeypatch.delenv("EVERFOLD_APP")
    expected = f"{bank}?schema=till_no_7"
    assert app_store(App("Till No. 7", store=bank)).replace("__", "_") == expected
    assert app_store(App("till", store=expected)) == expected
    assert app_store(App("till_no_7"), bank) == expected
    assert choose_store(bank) == bank


READING = [
    ["events", "read"],
    ["events", "tail"],
    ["streams", "list"],
    ["state", "account", "a1"],
    ["projections", "list"],
    ["parked", "list"],
    ["query", "get-summary", "account_id=a1"],
    ["tokens", "list"],
    ["export", "copy.jsonl"],
    ["compare", "summaries.summary", "--legacy", "sqlite:///old.db", "--table", "old"],
    ["doctor", "--store"],
]


@pytest.mark.parametrize("command", READING, ids=lambda command: command[0])
@pytest.mark.parametrize("beside", ["nothing", "another store"])
def test_looking_makes_no_store(invoke: Invoke, database: str, command: list[str], beside: str) -> None:
    if beside == "another store":
        fill(f"{database}?schema=till")
    before = schemas(database)
    missing = f"{database}?schema=missing"
    given = [*command, missing] if command[-1] == "--store" else [*command, "--store", missing]
    refused = invoke(*given, *(["--app", APP] if command[0] not in {"doctor", "events", "streams"} else []))
    assert refused.exit_code == 1
    assert "There is no store in " in refused.stderr
    assert "[store-unavailable]" in refused.stderr
    assert schemas(database) == before


def test_the_doctor_notes_that_a_configured_store_is_not_there_yet(
    invoke: Invoke, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERFOLD_STORE", database)
    monkeypatch.setenv("EVERFOLD_APP", APP)
    (found,) = [one for one in json.loads(told(invoke, "doctor", "--json"))["findings"] if one["check"] == "store"]
    assert found["status"] == "note"
    assert schemas(database) == set()


def test_a_trial_import_makes_no_store(
    invoke: Invoke, database: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "old_bank.py").write_text(
        "from everfold.migration import CsvSource, Import, Imported\n"
        "from everfold.cli.demo_bank import AccountOpened\n"
        "def opened(row):\n"
        "    yield Imported('account-' + row['no'], AccountOpened(owner=row['owner'], initial_balance=0))\n"
        "accounts = Import('old-bank', CsvSource('old.csv'), opened)\n"
    )
    (folder / "old.csv").write_text("no,owner\na1,Ann\nb1,Bob\n")
    monkeypatch.setenv("EVERFOLD_STORE", database)
    monkeypatch.setenv("EVERFOLD_APP", APP)
    assert "account-opened  " in told(invoke, "import", "old_bank:accounts", "--dry-run")
    assert schemas(database) == set()
    told(invoke, "import", "old_bank:accounts")
    assert schemas(database) == {SCHEMA}
    assert told(invoke, "events", "read").count("account-opened") == 2


def test_a_restore_says_where_to(invoke: Invoke, bank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    told(invoke, "export", "bank.jsonl.gz")
    monkeypatch.delenv("EVERFOLD_APP")
    refused = invoke("restore", "bank.jsonl.gz", "--store", bank)
    assert (refused.exit_code, "does not say which schema" in refused.stderr) == (1, True)
    assert schemas(bank) == {SCHEMA}
    there = f"{bank}?schema=copy"
    assert told(invoke, "restore", "bank.jsonl.gz", "--store", there).startswith(f"{there}: 4 events")
    assert told(invoke, "events", "read", "--json", "--store", there) == told(
        invoke, "events", "read", "--json", "--store", f"{bank}?schema={SCHEMA}"
    )


def test_a_server_that_is_not_there(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = "postgresql://ann:geheim@127.0.0.1:1/bank"
    refused = invoke("events", "read", "--store", nowhere)
    assert (refused.exit_code, "[store-unavailable]" in refused.stderr) == (1, True)
    monkeypatch.setenv("EVERFOLD_STORE", nowhere)
    found = json.loads(told(invoke, "doctor", "--json", code=3))
    assert [one["status"] for one in found["findings"] if one["check"] == "store"] == ["failed"]


# --- passwords


def test_a_password_is_never_shown(invoke: Invoke, bank: str, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = urlsplit(bank)
    secret = parts._replace(netloc=parts.netloc.replace("postgres@", "postgres:geheim@")).geturl()
    monkeypatch.setenv("EVERFOLD_STORE", secret)
    told(invoke, "export", "bank.jsonl")
    outputs = [
        invoke(*command).output
        for command in (
            ["doctor"],
            ["doctor", "--json"],
            ["describe"],
            ["describe", "--json"],
            ["restore", "bank.jsonl", "--store", f"{secret}?schema=again"],
            ["events", "read", "--store", f"{secret}?schema=missing"],
            ["events", "read", "--store", f"{secret}?pasword=geheim"],
            ["events", "read", "--store", "postgresql://ann:gehe%im@127.0.0.1:1/bank?schema=x"],
            ["events", "read", "--store", "postgresql://ann:gehe/im@127.0.0.1:1/bank"],
            ["events", "read", "--store", "postgresql://ann:gehe?im@127.0.0.1:1/bank"],
        )
    ]
    for output in outputs:
        assert "postgresql://" in output
        assert "gehe" not in output


# --- every command


def test_looking_at_events_streams_and_states(invoke: Invoke, bank: str) -> None:
    assert told(invoke, "events", "tail", "-n", 1).split()[0] == "4"
    assert json.loads(told(invoke, "events", "show", 2, "--json"))["data"] == {"amount": 13}
    assert json.loads(told(invoke, "streams", "show", "account-a1", "--json"))["version"] == 3
    assert json.loads(told(invoke, "state", "account", "a1", "--at", 2, "--json"))["state"]["balance"] == 113
    assert "account-b1" in invoke("streams", "show", "account-b").stderr  # did you mean


def test_projections_queries_and_what_was_set_aside(invoke: Invoke, bank: str) -> None:
    found = json.loads(told(invoke, "query", "get-summary", "account_id=b1", "--json"))
    assert found == {"account_id": "b1", "owner": "Bob", "balance": 0}
    states = {one["name"]: one for one in map(json.loads, told(invoke, "projections", "list", "--json").splitlines())}
    assert (states["summaries"]["position"], states["summaries"]["parked"]) == (4, 1)
    assert json.loads(told(invoke, "query", "count-deposits", "account_id=a1", "--json")) == 1
    assert json.loads(told(invoke, "parked", "show", "summaries", 2, "--json"))["event"]["data"] == {"amount": 13}
    told(invoke, "parked", "edit", "summaries", 2, "--data", '{"amount": 5}', "--reason", "a slip")
    assert json.loads(told(invoke, "query", "get-summary", "account_id=a1", "--json"))["balance"] == 105
    told(invoke, "projections", "pause", "summaries", "--reason", "to look")
    told(invoke, "projections", "resume", "summaries")
    assert (
        json.loads(told(invoke, "projections", "rebuild", "summaries", "--json"))["build"]
        > states["summaries"]["build"]
    )
    assert not json.loads(told(invoke, "projections", "rebuild", "summaries", "--dry-run", "--json"))["would_change"]
    told(invoke, "projections", "reset", "summaries", "--yes")
    assert json.loads(told(invoke, "query", "get-summary", "account_id=a1", "--json"))["balance"] == 105
    assert json.loads(told(invoke, "query", "count-opened", "owner=Ann", "--json"))["count"] == 1


def test_tokens(invoke: Invoke, bank: str) -> None:
    told(invoke, "tokens", "create", "till", "--role", "teller", "--expires", "1d")
    assert invoke("tokens", "create", "till", "--role", "teller").exit_code == 4
    told(invoke, "tokens", "revoke", "till")
    assert json.loads(told(invoke, "tokens", "list", "--json"))["state"] == "revoked"


def test_a_comparison_with_a_legacy_table(invoke: Invoke, bank: str, folder: Path) -> None:
    with sqlite3.connect(folder / "old.db") as legacy:
        legacy.execute("CREATE TABLE old (account_id TEXT, owner TEXT, balance INTEGER)")
        legacy.executemany("INSERT INTO old VALUES (?, ?, ?)", [("a1", "Ann", 100), ("b1", "Bob", 1)])
    legacy.close()
    compared = ["compare", "summaries.summary", "--legacy", "sqlite:///old.db", "--table", "old", "--json"]
    found = json.loads(told(invoke, *compared, code=3))
    assert (found["same"], found["different"]) == (1, 1)


def test_the_doctor_finds_nothing_wrong(invoke: Invoke, bank: str) -> None:
    told(invoke, "query", "get-summary", "account_id=b1")
    report = json.loads(told(invoke, "doctor", "--verify", "--json", code=3))
    found = {one["check"]: (one["status"], one["found"]) for one in report["findings"]}
    assert found.pop("fsync") == ("failed", "off")  # of the server of the tests
    assert {status for status, _ in found.values()} <= {"ok", "note", "warning"}
    assert found["records"][0] == "ok"
    assert found["projection summaries"][0] == "warning"
    assert report["store"] == f"{bank}?schema={SCHEMA}"
    assert report["verified"]["damages"] == []
