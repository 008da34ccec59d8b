"""What docs/deployment.md says of PostgreSQL holds: roles with the rights it gives, poolers, backups."""

import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from click.testing import CliRunner

from everfold import App
from everfold.cli.demo_bank import Account, Accounts, AccountSummary, Deposit, GetAccount, OpenAccount
from everfold.cli.program import program
from everfold.errors import StoreReadOnly
from tests.postgres.pooler import Pooler
from tests.postgres.server import PostgresServer

PAGE = (Path(__file__).parents[2] / "docs/deployment.md").read_text(encoding="utf-8")
SQL = re.findall(r"^```sql\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
ANN = OpenAccount(account_id="a1", owner="Ann")


def shop(url: str) -> App:
    return App("shop", Account, Accounts, store=url)


@pytest.fixture
def database(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a new database, for a user whose name takes the place of ``postgres``."""
    name = f"page_{uuid.uuid4().hex[:12]}"
    postgres_server.execute(f"CREATE DATABASE {name}")
    yield urlsplit(postgres_server.url())._replace(path=f"/{name}").geturl()
    postgres_server.execute(f"DROP DATABASE {name} WITH (FORCE)")
    postgres_server.execute("DROP ROLE IF EXISTS shop, reports")


def of(user: str, database: str) -> str:
    return database.replace("postgres@", f"{user}@")


def test_the_roles_have_the_rights_that_they_need_and_no_more(
    database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("EVERFOLD_APP", raising=False)
    application, reports = SQL
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(application.encode())
        with shop(of("shop", database)).blocking() as app:
            app.execute(ANN)
        owner.execute(reports.encode())
    with shop(of("shop", database)).blocking() as app:  # the tables of its read models are made now
        done = app.execute(Deposit(account_id="a1", amount=5))
        assert app.ask(GetAccount(account_id="a1"), after=done) == AccountSummary("a1", "Ann", 5, 1)
    with psycopg.connect(of("reports", database)) as report:
        assert report.execute("SELECT balance FROM shop.account_summary").fetchall() == [(5,)]
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            report.execute("DELETE FROM shop.events")
    store = ["--store", of("reports", database)]
    for command in (
        ["events", "read"],
        ["streams", "list"],
        ["export", "copy.jsonl"],
        ["state", "account", "a1", "--app", "everfold.cli.demo_bank:app"],
    ):
        given = [f"{store[1]}?schema=shop"] if command[0] == "state" else store[1:]
        result = CliRunner().invoke(program, [*command, "--store", *given])
        assert result.exit_code == 0, result.output
    assert '"role","status":"note","found":"reports, who may only read"' in (
        CliRunner().invoke(program, ["doctor", "--json", *store]).stdout
    )
    with shop(of("reports", database)).replace(role="server").blocking() as app, pytest.raises(StoreReadOnly):
        app.execute(Deposit(account_id="a1", amount=5))


async def test_a_role_without_a_schema_needs_the_right_to_make_one(database: str) -> None:
    with psycopg.connect(database, autocommit=True) as owner:
        owner.execute(b"CREATE ROLE shop LOGIN")
        with pytest.raises(StoreReadOnly, match="permission denied for database"):
            async with shop(of("shop", database)):
                pass
        owner.execute(f"GRANT CREATE ON DATABASE {urlsplit(database).path[1:]} TO shop".encode())
    async with shop(of("shop", database)) as app:
        assert (await app.execute(ANN)).position == 1


@pytest.mark.parametrize("direct", [False, True])
async def test_all_of_it_works_behind_a_pooler(
    postgres_server: PostgresServer, postgres_url: str, direct: bool
) -> None:
    schema = postgres_url.rpartition("=")[2]
    address = {"direct": f"127.0.0.1:{postgres_server.port}"} if direct else {}
    with Pooler(postgres_server) as pooler:
        url = pooler.url(schema=schema, **address)
        async with shop(url) as one, shop(url).replace(role="server") as other:
            for amount in range(1, 10):
                await (one if amount % 2 else other).execute(ANN if amount == 1 else Deposit(account_id="a1", amount=1))
                head = await other.store.head()
                assert (await other.ask(GetAccount(account_id="a1"), after=head)).balance == amount - 1
            assert await one.store.engine.wait(8, 1) == 9


def test_a_dump_of_the_schema_is_a_backup(
    postgres_server: PostgresServer, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EVERFOLD_APP", raising=False)
    dump = postgres_server.directory / f"{uuid.uuid4().hex}.sql"  # a place where its programs may write
    with shop(postgres_server.url(schema="shop")).blocking() as app:
        done = app.execute(ANN)
        app.ask(GetAccount(account_id="a1"), after=done)
    postgres_server.programs.run("pg_dump", "--schema=shop", f"--file={dump}", postgres_server.url())
    postgres_server.execute("DROP SCHEMA shop CASCADE")
    postgres_server.programs.run("psql", "--quiet", "--set=ON_ERROR_STOP=1", f"--file={dump}", database)
    result = CliRunner().invoke(program, ["doctor", "--verify", "--store", database])
    assert "all 1 verified" in result.stdout
    with shop(database).blocking() as app:
        assert (app.ask(GetAccount(account_id="a1"))).owner == "Ann"
        assert (app.execute(Deposit(account_id="a1", amount=1))).position == 2
