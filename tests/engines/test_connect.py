"""The engine is chosen by the store's URL."""

from pathlib import Path

import pytest

from everfold.engines.connect import connect
from everfold.engines.memory.engine import MemoryEngine
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
