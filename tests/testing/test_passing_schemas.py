"""Stores in PostgreSQL for the length of a test."""

import pytest

from everfold import App
from everfold.cli.demo_bank import Account, OpenAccount
from everfold.errors import ConfigurationError
from everfold.testing.passing_schemas import passing_schema
from tests.postgres.server import PostgresServer

LEFT = "SELECT 1 FROM pg_namespace WHERE nspname ~ '^test_[0-9a-f]{32}$'"


def test_each_is_new_and_gone_afterwards(postgres_server: PostgresServer) -> None:
    for _ in range(2):
        with passing_schema(postgres_server.url()) as url, App("bank", Account, store=url).blocking() as bank:
            assert bank.execute(OpenAccount(account_id="a", owner="Ann")).position == 1
            assert postgres_server.execute(LEFT)
        assert postgres_server.execute(LEFT) == []


def test_one_that_is_never_used_and_one_of_a_test_that_fails(postgres_server: PostgresServer) -> None:
    with passing_schema(postgres_server.url()):
        pass
    with (
        pytest.raises(ZeroDivisionError),
        passing_schema(postgres_server.url()) as url,
        App("bank", Account, store=url).blocking(),
    ):
        raise ZeroDivisionError
    assert postgres_server.execute(LEFT) == []


@pytest.mark.parametrize("database", ["bank.db", "postgresql://host/database?schema=bank"])
def test_a_database_is_needed(database: str) -> None:
    with pytest.raises(ConfigurationError, match="Give"), passing_schema(database):
        pass
