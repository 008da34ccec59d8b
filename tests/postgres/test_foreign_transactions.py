"""Long transactions of others, in the same database and beside it: they stall nothing, and slow nothing down."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from everfold.engines.postgres.reader import STATEMENTS
from tests.postgres.conftest import BenchMaker
from tests.postgres.server import PostgresServer

APPENDS = 1_000
FEW = 12
"""Pages. What is found by one step through an index needs a handful."""
LOCK = "SELECT * FROM {schema}.lock_1()"
COUNTER = "SELECT head FROM {schema}.counter"
COUNTING = """DO $$ BEGIN
    FOR i IN 1 .. 5000 LOOP
        UPDATE {schema}.counter SET head = i;
        COMMIT;
    END LOOP;
END $$"""


@pytest.fixture
def beside(postgres_server: PostgresServer) -> Generator[str]:
    """Another database of the same cluster."""
    postgres_server.execute(b"CREATE DATABASE beside")
    yield "beside"
    postgres_server.execute(b"DROP DATABASE beside WITH (FORCE)")


@contextmanager
def long_transaction(server: PostgresServer, database: str) -> Generator[None]:
    """A transaction that sees what there was, has a number, and goes on and on."""
    with psycopg.connect(server.dsn, dbname=database, autocommit=True) as connection:
        connection.execute(b"BEGIN ISOLATION LEVEL REPEATABLE READ")
        connection.execute(b"SELECT pg_current_xact_id()")
        yield
        connection.execute(b"ROLLBACK")


def pages(server: PostgresServer, query: str) -> int:
    """How many pages the server looks at to answer it."""
    with server.connect() as connection:
        connection.execute(query.encode())  # once it knows the tables and functions
        row = connection.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}".encode()).fetchone()
    assert row
    ((found,),) = row
    return int(found["Plan"]["Shared Hit Blocks"] + found["Plan"]["Shared Read Blocks"])


def test_long_transactions_stall_nothing(
    bench_at: BenchMaker, postgres_server: PostgresServer, postgres_url: str, beside: str
) -> None:
    """A9, A14: appends, readers and those who wait go on; where the log ends is found as quickly as ever."""
    schema = postgres_url.partition("schema=")[2]
    bench = bench_at(postgres_url)
    bench.writer("p0", rounds=1)
    bench.await_end("p0")
    postgres_server.execute(f"CREATE TABLE {schema}.counter AS SELECT 0 AS head")
    lookups = {
        "head": STATEMENTS["read_head"].replace("{schema}", schema).rstrip(";"),
        "lock": LOCK.replace("{schema}", schema),
        "counter": COUNTER.replace("{schema}", schema),
    }
    with ExitStack() as stack:
        for database in ("postgres", beside):
            stack.enter_context(long_transaction(postgres_server, database))
        bench.follower("follower-1")
        for name in ("p1", "p2"):
            bench.writer(name)
        bench.until_stored(APPENDS, "p1", "p2")
        postgres_server.execute(COUNTING.replace("{schema}", schema))
        bench.finish()
        found = {name: pages(postgres_server, query) for name, query in lookups.items()}
    assert found["head"] <= FEW
    assert found["lock"] <= FEW
    assert found["counter"] > FEW  # so would a head that is counted in a row of its own
    assert bench.history.told("failed", "unknown") == []
