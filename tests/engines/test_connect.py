"""The engine is chosen by the store's URL."""

from pathlib import Path

import pytest

from everfold.engines.connect import connect
from everfold.engines.memory.engine import MemoryEngine
from everfold.engines.postgres.engine import PostgresEngine
from everfold.engines.postgres.store_url import StoreUrl
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.errors import ConfigurationError
from everfold.testing.frozen_clock import FrozenClock


def test_memory() -> None:
    assert isinstance(connect("memory:", clock=FrozenClock()), MemoryEngine)


@pytest.mark.parametrize("url", ["bank.db", "sqlite:bank.db", "sqlite:///bank.db", "./bank.db"])
def test_a_relative_file(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    engine = connect(url)
    assert isinstance(engine, SqliteEngine)
    assert engine.path == str(tmp_path.resolve() / "bank.db")


@pytest.mark.parametrize("prefix", ["", "sqlite:", "sqlite:///"])
def test_an_absolute_file(prefix: str, tmp_path: Path) -> None:
    engine = connect(f"{prefix}{tmp_path}/bank.db")
    assert isinstance(engine, SqliteEngine)
    assert engine.path == str(tmp_path.resolve() / "bank.db")


@pytest.mark.parametrize("url", ["mysql://host/bank", "http://x"])
def test_an_unknown_scheme_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="unknown scheme"):
        connect(url)


@pytest.mark.parametrize("url", ["", "sqlite:", "sqlite:///", "sqlite://host/bank.db", ":memory:", "sqlite::memory:"])
def test_a_url_without_a_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="names no file"):
        connect(url)


@pytest.mark.parametrize("scheme", ["postgresql", "postgres"])
def test_a_database(scheme: str) -> None:
    engine = connect(f"{scheme}://ann:secret@host:5433/shop?sslmode=require", name="My Bank")
    assert isinstance(engine, PostgresEngine)
    assert engine.url.conninfo == f"{scheme}://ann:secret@host:5433/shop?sslmode=require"
    assert engine.url.schema == "my_bank"
    assert "secret" not in engine.url.shown
    assert "ann:***@host:5433/shop" in engine.url.shown


def test_the_schema_is_named_by_the_application_or_by_the_url() -> None:
    assert StoreUrl.parse("postgresql://host/shop").schema == "everfold"
    assert StoreUrl.parse("postgresql://host/shop", name="bank").schema == "bank"
    named = StoreUrl.parse("postgresql://host/shop?schema=Tenant%201&sslmode=require", name="bank")
    assert (named.schema, named.conninfo) == ("Tenant 1", "postgresql://host/shop?sslmode=require")


@pytest.mark.parametrize("schema", ["", "public", "pg_catalog", "information_schema", "x" * 64, "a%00b"])
def test_a_schema_that_cannot_hold_a_store_is_refused(schema: str) -> None:
    with pytest.raises(ConfigurationError, match="of its own"):
        connect(f"postgresql://host/shop?schema={schema}")


def test_a_password_is_not_shown() -> None:
    for url in ("postgresql://ann:sec%20ret@host/shop", "postgresql://host/shop?user=ann&password=sec%20ret&x=1"):
        assert "ret" not in StoreUrl.parse(url).shown
