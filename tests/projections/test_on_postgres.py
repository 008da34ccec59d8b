"""What is so with PostgreSQL only: many processes at once, one error that spoils a transaction, views and readers."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from everfold import App, Position, Projection, Query, ReadModel, Table, answer, project
from everfold.errors import DefinitionError, EverfoldError, InvalidMessage
from everfold.projections.builds import ACTIVE, BUILDING, activate, builds_of, create
from everfold.projections.sql_table import MAX_IDENTIFIER, SqlTable
from everfold.subscriptions.bookkeeping import prepare
from tests.app.bank import Account, Noted, Opened, Paid
from tests.app.stores import StoreMaker
from tests.postgres.server import PostgresServer
from tests.projections.changed import Bare
from tests.projections.ledger import AllRows, Ledger, caught_up, ledger_app
from tests.projections.tables import tables_in

DIALECT = "postgresql"


@pytest.fixture(params=["postgres"])
def store(postgres_url: str) -> StoreMaker:
    return lambda: postgres_url


# --- tables


class Long(
    ReadModel, key="id", name="a" * 40, indexes=["a_rather_long_name", ("a_rather_long_name", "and_another_one")]
):
    id: str
    a_rather_long_name: str = ""
    and_another_one: str = ""
    maybe: int | None = None


def test_names_are_never_cut_off() -> None:
    found = [str(index.name) for index in SqlTable(Long, f"{'a' * 40}__{2**40}", DIALECT).table.indexes]
    assert len(set(found)) == 2
    assert all(len(name) <= MAX_IDENTIFIER for name in found)
    again = [str(index.name) for index in SqlTable(Long, f"{'a' * 40}__{2**40 + 1}", DIALECT).table.indexes]
    assert not set(found) & set(again)


def test_a_field_whose_name_would_be_cut_off_is_refused() -> None:
    namespace = {"__annotations__": {"id": str, "ö" * 32: str}, "__module__": __name__}
    metaclass: Any = type(ReadModel)
    model = metaclass("Wide", (ReadModel,), namespace, key="id")
    SqlTable(model, "wide__1", "sqlite")
    with pytest.raises(DefinitionError, match="more than 63 bytes"):
        SqlTable(model, "wide__1", DIALECT)


# --- transactions


class Notes(ReadModel, key="id"):
    id: str
    text: str


class AllNotes(Query[list[Notes]]):
    pass


class FindNotes(Query[list[Notes]]):
    text: str


class Careless(Projection):
    """Its handler hushes up an error of the database, behind which PostgreSQL executes nothing."""

    notes: Table[Notes]

    @project
    def opened(self, event: Opened) -> None:
        self.notes.put(Notes(event.owner, "opened"))

    @project
    def noted(self, event: Noted) -> None:
        for line in event.lines:
            self.notes.put(Notes(line, line))

    @project
    def paid(self, event: Paid) -> None:
        if event.amount == 13:
            with contextlib.suppress(SQLAlchemyError):
                self.connection.execute(sa.text("SELECT 1/0"))
        if event.amount == 14:
            with pytest.raises(SQLAlchemyError), self.connection.begin_nested():
                self.connection.execute(sa.text("SELECT 1/0"))
            self.notes.put(Notes("14", "in a savepoint"))

    @answer
    def all(self, query: AllNotes) -> list[Notes]:
        return self.notes.find()

    @answer
    def find(self, query: FindNotes) -> list[Notes]:
        return self.notes.find(text=query.text)


async def test_an_error_that_was_hushed_up_is_blamed_on_its_event(store: StoreMaker) -> None:
    async with ledger_app(store, mode="live") as app:
        for number, event in enumerate([Opened(owner="Ann"), Paid(amount=13), Paid(amount=14)]):
            await app.store.append(f"account-a{number}", event)
        await app.store.append("account-a9", Opened(owner="Bob"))
    async with ledger_app(store, Careless) as app:
        found = await app.ask(AllNotes(), after=Position(4))
        assert [note.id for note in found] == ["14", "Ann", "Bob"]
        (parked,) = await app.projections.parked()
        assert (parked.position, parked.error.partition(":")[0]) == (2, "InFailedSqlTransaction")


async def test_text_that_postgresql_cannot_hold_is_blamed_on_its_event(store: StoreMaker) -> None:
    async with ledger_app(store, Careless) as app:
        await app.store.append("account-a1", Noted(lines=["a", "b"]))
        await app.store.append("account-a2", Noted(lines=["c", "d\0e", "f"]))
        await app.store.append("account-a3", Opened(owner="Ann"))
        found = await app.ask(AllNotes(), after=Position(3))
        assert [note.id for note in found] == ["Ann", "a", "b"]
        (parked,) = await app.projections.parked()
        assert (parked.position, parked.error) == (
            2,
            "ValueError: Text with a NUL character (\\x00) cannot be stored in PostgreSQL. Leave it out.",
        )
        with pytest.raises(InvalidMessage, match="more than the database can hold"):
            await app.ask(FindNotes(text="d\0e"))


# --- many processes


async def test_many_processes_begin_the_same_build(store: StoreMaker) -> None:
    async with App("bank", Account, store=store()):
        pass
    apps = [App("bank", Account, Ledger, store=store()) for _ in range(4)]
    await asyncio.gather(*[app.__aenter__() for app in apps])
    try:
        await apps[0].store.append("account-a1", Opened(owner="Ann"))
        for app in apps:
            await caught_up(app)
        builds = await apps[0].store.engine.views.read(lambda c: builds_of(c, DIALECT, "ledger"))
        assert [(build.build, build.state) for build in builds] == [(1, ACTIVE)]
    finally:
        await asyncio.gather(*[app.__aexit__(None, None, None) for app in apps])


@pytest.fixture
def schema(postgres_server: PostgresServer, postgres_url: str) -> Iterator[str]:
    name = postgres_url.rpartition("=")[2]
    postgres_server.execute(f"CREATE SCHEMA {name}")
    with connected(postgres_server, name) as connection:
        prepare(connection, DIALECT)
    yield name
    postgres_server.execute(f"DROP SCHEMA {name} CASCADE")


def connected(server: PostgresServer, schema: str) -> psycopg.Connection[Any]:
    connection = server.connect()
    connection.execute(f"SET search_path TO {schema}".encode())
    return connection


def test_builds_that_are_begun_at_once_have_numbers_of_their_own(postgres_server: PostgresServer, schema: str) -> None:
    """Or one would drop the other's tables."""
    together = threading.Barrier(4)

    def begin(code: int) -> int:
        with connected(postgres_server, schema) as connection, connection.transaction():
            together.wait(30)
            return create(connection, DIALECT, Ledger, str(code), BUILDING, recorded=0).build

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(begin, range(4))) == [1, 2, 3, 4]


def test_only_one_of_those_that_switch_at_once_is_active(postgres_server: PostgresServer, schema: str) -> None:
    with connected(postgres_server, schema) as connection:
        for code in range(4):
            create(connection, DIALECT, Ledger, str(code), BUILDING, recorded=0)
        together = threading.Barrier(4)

        def switch(build: int) -> bool:
            with connected(postgres_server, schema) as connection, connection.transaction():
                together.wait(30)
                return activate(connection, DIALECT, Ledger, build)

        with ThreadPoolExecutor(4) as pool:
            assert all(pool.map(switch, range(1, 5)))
        states = [build.state for build in builds_of(connection, DIALECT, "ledger")]
        assert sorted(states) == ["active", "retired"]


# --- views that people read


def begun(connection: psycopg.Connection[Any], projection: type[Projection], state: str) -> int:
    with connection.transaction():
        return create(connection, DIALECT, projection, state, state, recorded=0).build


def test_what_people_build_on_a_view_stays_when_the_columns_do(postgres_server: PostgresServer, schema: str) -> None:
    with connected(postgres_server, schema) as connection:
        begun(connection, Ledger, ACTIVE)
        connection.execute("CREATE VIEW report AS SELECT count(*) FROM owner")
        number = begun(connection, Ledger, BUILDING)
        assert number == 2
        connection.execute("INSERT INTO owner__2 VALUES ('Ann', 0, 0)")
        with connection.transaction():
            assert activate(connection, DIALECT, Ledger, number)
        assert connection.execute("SELECT * FROM report").fetchone() == (1,)


def test_what_people_built_on_columns_that_change_is_not_dropped(postgres_server: PostgresServer, schema: str) -> None:
    with connected(postgres_server, schema) as connection:
        begun(connection, Ledger, ACTIVE)
        connection.execute("CREATE OR REPLACE VIEW owner AS SELECT *, 1 AS another FROM owner__1")
        connection.execute("CREATE VIEW report AS SELECT another FROM owner")
        number = begun(connection, Ledger, BUILDING)
        with pytest.raises(EverfoldError, match="your own is built on the view"), connection.transaction():
            activate(connection, DIALECT, Ledger, number)
        connection.execute("DROP VIEW report")
        with connection.transaction():
            assert activate(connection, DIALECT, Ledger, number)
        assert connection.execute("SELECT * FROM owner").description


def test_a_table_that_somebody_reads_is_dropped_later(postgres_server: PostgresServer, schema: str) -> None:
    with connected(postgres_server, schema) as connection, connected(postgres_server, schema) as reader:
        begun(connection, Ledger, ACTIVE)
        with reader.transaction():
            reader.execute("SELECT * FROM owner__1")
            for _ in range(2):
                number = begun(connection, Ledger, BUILDING)
                with connection.transaction():
                    assert activate(connection, DIALECT, Ledger, number)
            assert "owner__1" in tables_in(connection)
        number = begun(connection, Ledger, BUILDING)
        with connection.transaction():
            assert activate(connection, DIALECT, Ledger, number)
        assert [name for name in tables_in(connection) if name.startswith("owner")] == ["owner__3", "owner__4"]


def test_the_view_of_a_read_model_that_is_gone_goes_with_its_table(
    postgres_server: PostgresServer, schema: str
) -> None:
    with connected(postgres_server, schema) as connection:
        begun(connection, Ledger, ACTIVE)
        for _ in range(2):
            number = begun(connection, Bare, BUILDING)
            with connection.transaction():
                assert activate(connection, DIALECT, Bare, number)
        assert [name for name in tables_in(connection) if name.startswith("owner")] == []
        views = connection.execute("SELECT viewname FROM pg_views WHERE schemaname = current_schema()").fetchall()
        assert views == [("balance",)]


async def test_a_rebuild_is_compared_value_by_value(store: StoreMaker) -> None:
    """The live rows are PostgreSQL's, and those that are folded beside are SQLite's."""
    async with ledger_app(store) as app:
        for number in range(3):
            await app.store.append(f"account-a{number}", Opened(owner=f"Ann {number}"), Paid(amount=number + 1))
        await caught_up(app)
        assert (await app.projections.compare("ledger")).is_same
        assert (await app.ask(AllRows()))[0][0].balance == Decimal(1)
