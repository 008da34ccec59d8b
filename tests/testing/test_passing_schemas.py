"""Stores in PostgreSQL for the length of a test."""

import pytest

from everfold import App
from everfold.cli.demo_bank import Account, OpenAccount
from everfold.engines.postgres.store_url import StoreUrl
from everfold.errors import ConfigurationError
from everfold.testing.passing_schemas import passing_schema
from tests.postgres.server import PostgresServer


def is_there(server: PostgresServer, url: str) -> bool:
    return bool(server.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", StoreUrl.parse(url).schema))


def test_each_is_new_and_gone_afterwards(postgres_server: PostgresServer) -> None:
    for _ in range(2):
        with passing_schema(postgres_server.url()) as url, App("bank", Account, store=url).blocking() as bank:
            assert bank.execute(OpenAccount(account_id="a", owner="Ann")).position == 1
            assert is_there(postgres_server, url)
        assert not is_there(postgres_server, url)


def test_one_that_is_never_used_and_one_of_a_test_that_fails(postgres_server: PostgresServer) -> None:
    with passing_schema(postgres_server.url()) as unused:
        pass
    with (
        pytest.raises(ZeroDivisionError),
        passing_schema(postgres_server.url()) as url,
        App("bank", Account, store=url).blocking(),
    ):
        assert is_there(postgres_server, url)
        raise ZeroDivisionError
    assert not is_there(postgres_server, unused)
    assert not is_there(postgres_server, url)


@pytest.mark.parametrize("database", ["bank.db", "postgresql://host/database?schema=bank"])
def test_a_database_is_needed(database: str) -> None:
    with pytest.raises(ConfigurationError, match="Give"), passing_schema(database):
        pass
