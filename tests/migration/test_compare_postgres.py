"""A parallel run beside a legacy database in PostgreSQL: its types, its order of text, and a URL without a driver."""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID

import pytest

from everfold import ReadModel
from everfold.errors import InvalidImport
from everfold.migration.compare import LegacyTable, compare_with_legacy
from tests.migration.test_compare import Rows
from tests.postgres.server import PostgresServer

NOON = dt.datetime(2030, 1, 2, 12, tzinfo=dt.UTC)
SHOP = "old shop"


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Product(ReadModel, key="id"):
    id: str
    price: Decimal
    at: dt.datetime
    day: dt.date
    ref: UUID
    colour: Colour
    tags: list[str]
    is_sold: bool
    note: str | None = None


@pytest.fixture
def shop(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a database with a legacy schema."""
    postgres_server.execute(f'CREATE SCHEMA "{SHOP}"')
    yield f"postgresql://postgres@127.0.0.1:{postgres_server.port}/postgres"
    postgres_server.execute(f'DROP SCHEMA "{SHOP}" CASCADE')


def product(id: str, price: str, *, note: str | None = None) -> Product:
    return Product(id, Decimal(price), NOON, NOON.date(), UUID(int=7), Colour.BLUE, ["x", "y"], is_sold=True, note=note)


async def test_types_of_its_own(postgres_server: PostgresServer, shop: str) -> None:
    ids = ["Zoe", "ann", "Ann", "ärger", "zebra", "b c", "b-c"]
    postgres_server.execute(f"CREATE TYPE \"{SHOP}\".colour AS ENUM ('red', 'blue')")
    postgres_server.execute(
        f'CREATE TABLE "{SHOP}".products (id text, price numeric(10, 2), at timestamptz, '
        f'day date, ref uuid, colour "{SHOP}".colour, tags jsonb, is_sold boolean, note varchar(20))'
    )
    for id in ids:
        postgres_server.execute(
            f'INSERT INTO "{SHOP}".products VALUES '  # noqa: S608
            "(%s, 1.50, '2030-01-02 14:00+02', '2030-01-02', %s, 'blue', '[\"x\", \"y\"]', true, NULL)",
            id,
            UUID(int=7),
        )
    rows = [product(id, "1.5") for id in ids]
    found = await compare_with_legacy(LegacyTable(database=shop, query=f"{SHOP}.products"), Rows(Product, rows))
    assert found.is_same, found.difference.examples
    assert found.difference.same == len(ids)
    rows[0].price = Decimal("1.51")
    query = f"SELECT * FROM \"{SHOP}\".products WHERE id NOT LIKE '%xyz%'"  # noqa: S608
    found = await compare_with_legacy(LegacyTable(database=shop, query=query), Rows(Product, rows))
    assert (found.difference.changed, found.difference.examples[0].fields) == (1, ["price"])


async def test_a_server_that_is_not_there() -> None:
    legacy = LegacyTable(database="postgres://nobody@127.0.0.1:1/nothing", query="old")
    with pytest.raises(InvalidImport, match="cannot be read"):
        await compare_with_legacy(legacy, Rows(Product, []))
