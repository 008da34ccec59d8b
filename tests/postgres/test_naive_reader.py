"""A reader that asks for `position > last`: it misses events of a serial column, and none of this log."""

import threading
from collections.abc import Callable

import psycopg

from tests.postgres.conftest import BenchMaker
from tests.postgres.server import PostgresServer

COMMITTERS = 4
COMMITS = 100
TABLE = "CREATE TABLE naive (position bigserial PRIMARY KEY, writer int)"
BEHIND = "SELECT position FROM {table} WHERE position > %s ORDER BY position"
ALL = "SELECT position FROM {table}"
COMMIT = "BEGIN; INSERT INTO naive (writer) VALUES (1); SELECT pg_sleep(random() * 0.005); COMMIT"


class NaiveReader:
    """Polls a table in a thread of its own."""

    def __init__(self, server: PostgresServer, table: str) -> None:
        self.seen: list[int] = []
        self._server = server
        self._query = BEHIND.replace("{table}", table).encode()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        with self._server.connect() as connection:
            is_last = False
            while not is_last:
                is_last = self._is_over.is_set()
                last = self.seen[-1] if self.seen else 0
                self.seen += [position for (position,) in connection.execute(self._query, [last])]

    def missed(self, table: str) -> set[int]:
        """What it has not seen of what there is, after a last look."""
        self._is_over.set()
        self._thread.join()
        stored = self._server.execute(ALL.replace("{table}", table))
        return {position for (position,) in stored} - set(self.seen)


def at_once(work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(COMMITTERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_naive_reader_misses_events_where_positions_are_given_before_the_commit(
    postgres_server: PostgresServer,
) -> None:
    """A9: so a reader of this kind is able to find out a log that skips."""
    postgres_server.execute(TABLE)

    def commit() -> None:
        with psycopg.connect(postgres_server.dsn, autocommit=True) as connection:
            for _ in range(COMMITS):
                connection.execute(COMMIT.encode())

    reader = NaiveReader(postgres_server, "naive")
    at_once(commit)
    missed = reader.missed("naive")
    postgres_server.execute(b"DROP TABLE naive")
    assert missed


def test_it_misses_nothing_of_this_log(
    bench_at: BenchMaker, postgres_server: PostgresServer, postgres_url: str
) -> None:
    """A9: what is committed later has the higher position, so there is nothing to get wrong."""
    table = f"{postgres_url.partition('schema=')[2]}.events"
    bench = bench_at(postgres_url)
    bench.writer("p0", rounds=1)
    bench.await_end("p0")
    reader = NaiveReader(postgres_server, table)
    names = [f"p{number}" for number in range(1, COMMITTERS + 1)]
    for name in names:
        bench.writer(name)
    bench.until_stored(COMMITTERS * COMMITS, *names)
    log = bench.finish()
    assert reader.missed(table) == set()
    assert reader.seen == [record.position for record in log]
