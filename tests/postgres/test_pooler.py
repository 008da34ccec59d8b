import shutil

import psycopg
import pytest

from tests.postgres.pooler import Pooler
from tests.postgres.server import PostgresServer


def backend(client: psycopg.Connection) -> int:
    row = client.execute(b"SELECT pg_backend_pid()", prepare=False).fetchone()
    assert row
    return int(row[0])


def test_a_session_is_not_a_connection_of_the_server(postgres_server: PostgresServer) -> None:
    with Pooler(postgres_server, size=1) as pooler:
        assert pooler.url(schema="bank").endswith(f":{pooler.port}/postgres?schema=bank")
        with psycopg.connect(pooler.dsn, autocommit=True) as one, psycopg.connect(pooler.dsn, autocommit=True) as other:
            assert backend(one) == backend(other)  # they share the only one
            assert one.info.backend_pid != backend(one)


def test_it_goes_on_after_it_was_killed(postgres_server: PostgresServer) -> None:
    with Pooler(postgres_server) as pooler:
        with psycopg.connect(pooler.dsn) as client:
            pooler.kill9()
            with pytest.raises(psycopg.OperationalError):
                client.execute(b"SELECT 1")
        pooler.start()
        with psycopg.connect(pooler.dsn) as client:
            assert client.execute(b"SELECT 1").fetchone() == (1,)


def _finds_nothing(name: str, path: str) -> None:
    return None


def test_without_it_a_test_is_skipped_or_fails_where_it_is_required(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", _finds_nothing)
    monkeypatch.setenv("REQUIRE_ENGINES", "postgres")
    with pytest.raises(pytest.skip.Exception, match="apt-get install"):
        Pooler(postgres_server)
    monkeypatch.setenv("REQUIRE_ENGINES", "postgres,pgbouncer")
    with pytest.raises(pytest.fail.Exception, match="apt-get install"):
        Pooler(postgres_server)
