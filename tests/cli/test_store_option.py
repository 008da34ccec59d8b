"""Which store and which application a command means."""

from pathlib import Path

import pytest

from everfold.cli.app_option import find_app
from everfold.cli.store_option import choose_store, engine_to_read
from everfold.errors import ConfigurationError, StoreUnavailable
from tests.cli.conftest import Invoke

MODULE = """
from everfold import App
app = App("chosen")
other = App("other", store="others.db")
number = 5
"""


@pytest.fixture
def shop(folder: Path, request: pytest.FixtureRequest) -> str:
    """A module with two applications; each test has its own, because modules are imported once."""
    name = "shop_" + "".join(letter for letter in request.node.name if letter.isalnum())
    (folder / f"{name}.py").write_text(MODULE)
    return name


def test_the_order_of_the_sources(folder: Path, shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "everfold.toml").write_text(f'app = "{shop}:other"\n')
    assert choose_store(None) == "others.db"
    (folder / "everfold.toml").write_text(f'app = "{shop}:other"\nstore = "file.db"\n')
    assert choose_store(None) == "file.db"
    monkeypatch.setenv("EVERFOLD_STORE", "environment.db")
    assert choose_store(None) == "environment.db"
    assert choose_store("given.db", f"{shop}:other") == "given.db"
    assert choose_store(None, f"{shop}:other") == "others.db"


def test_an_app_without_a_store_has_a_file_of_its_name(shop: str) -> None:
    assert choose_store(None, f"{shop}:app") == "chosen.db"


def test_no_store_at_all(invoke: Invoke, bank: Path) -> None:
    result = invoke("events", "read")
    assert result.exit_code == 1
    assert "No store is chosen. Give --store STORE" in result.stderr
    assert "Stores in this folder: bank.db." in result.stderr


def test_the_environment_names_the_app(shop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERFOLD_APP", shop)
    assert find_app(None).name == "chosen"
    assert find_app(f"{shop}:other").name == "other"


@pytest.mark.parametrize(
    ("named", "problem"),
    [
        ("{}:ap", "no such name in the module. Did you mean 'app'?"),
        ("{}:number", "it is of type int"),
        ("{}_missing:app", "There is no module"),
        ("not a module:app", "does not name an application"),
    ],
)
def test_an_app_that_is_not_there(shop: str, named: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        find_app(named.format(shop))


def test_no_app_at_all(invoke: Invoke) -> None:
    result = invoke("describe")
    assert result.exit_code == 1
    assert "This needs an application." in result.stderr


def test_a_missing_import_inside_the_app_is_not_hidden(folder: Path) -> None:
    (folder / "imports_nothing.py").write_text("import surely_not_installed\n")
    with pytest.raises(ModuleNotFoundError, match="surely_not_installed"):
        find_app("imports_nothing:app")


def test_the_app_in_the_file_has_to_be_text(folder: Path) -> None:
    (folder / "everfold.toml").write_text("app = 5\n")
    with pytest.raises(ConfigurationError, match="has to be text"):
        find_app(None)


def test_a_file_that_is_no_toml_is_told(invoke: Invoke, folder: Path) -> None:
    (folder / "everfold.toml").write_text("app = = 5\n")
    result = invoke("events", "read")
    assert "cannot be read as TOML" in result.stderr


@pytest.mark.parametrize(
    "command", [["events", "read"], ["events", "tail"], ["streams", "list"], ["events", "show", "1"]]
)
def test_reading_never_makes_a_store(invoke: Invoke, folder: Path, command: list[str]) -> None:
    result = invoke(*command, "--store", "missing.db")
    assert result.exit_code == 1
    assert "[store-unavailable]" in result.stderr
    assert list(folder.iterdir()) == []


def test_an_empty_file_is_left_empty(invoke: Invoke, folder: Path) -> None:
    (folder / "empty.db").touch()
    assert "is empty" in invoke("events", "read", "--store", "empty.db").stderr
    assert [path.name for path in folder.iterdir()] == ["empty.db"]


def test_a_foreign_file_is_refused(invoke: Invoke, folder: Path) -> None:
    (folder / "text.db").write_text("not a database " * 100)
    assert "[not-a-store]" in invoke("events", "read", "--store", "text.db").stderr


@pytest.mark.parametrize("url", ["memory:", "mysql://host/base"])
def test_a_store_that_cannot_be_looked_into(url: str) -> None:
    with pytest.raises(ConfigurationError):
        engine_to_read(url)


def test_a_url_is_a_store_too(bank: Path, invoke: Invoke) -> None:
    assert invoke("streams", "list", "--store", f"sqlite:///{bank}").exit_code == 0
    with pytest.raises(StoreUnavailable):
        engine_to_read(f"sqlite:///{bank}x")
