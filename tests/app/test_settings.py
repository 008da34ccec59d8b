"""Settings: where they come from, in which order, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from everfold import App
from everfold.app.settings import Settings, load_settings
from everfold.errors import ConfigurationError, DefinitionError
from tests.app.bank import Account


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_without_anything_the_defaults_hold() -> None:
    loaded = load_settings({}, environment={})
    assert loaded.values == Settings()
    assert set(loaded.sources.values()) == {"default"}
    assert set(loaded.sources) == set(Settings.__struct_fields__)


def test_arguments_come_before_the_environment_and_the_environment_before_the_file(folder: Path) -> None:
    (folder / "everfold.toml").write_text("lock_timeout = 1\nretry_attempts = 1\nhot_aggregates = 1\n")
    environment = {"EVERFOLD_LOCK_TIMEOUT": "2", "EVERFOLD_RETRY_ATTEMPTS": "2"}
    loaded = load_settings({"lock_timeout": 3.0, "checks": None}, environment=environment)
    assert (loaded.values.lock_timeout, loaded.values.retry_attempts, loaded.values.hot_aggregates) == (3.0, 2, 1)
    assert {name: source for name, source in loaded.sources.items() if source != "default"} == {
        "lock_timeout": "argument",
        "retry_attempts": "environment",
        "hot_aggregates": "everfold.toml",
    }


def test_a_variable_names_another_file(folder: Path) -> None:
    file = folder / "other.toml"
    file.write_text('store = "other.db"')
    loaded = load_settings({}, environment={"EVERFOLD_CONFIG": str(file)})
    assert (loaded.values.store, loaded.sources["store"]) == ("other.db", str(file))


@pytest.mark.parametrize(("text", "value"), [("true", True), ("0", False), ("1", True), ("False", False)])
def test_the_environment_may_say_yes_or_no(text: str, value: bool) -> None:
    assert load_settings({}, environment={"EVERFOLD_CHECKS": text}).values.checks is value


@pytest.mark.parametrize(
    ("text", "value"), [("a", ("a",)), ("a.example, b.example", ("a.example", "b.example")), (" , ", ())]
)
def test_several_values_have_commas_between_them(text: str, value: tuple[str, ...]) -> None:
    assert load_settings({}, environment={"EVERFOLD_ALLOWED_HOSTS": text}).values.allowed_hosts == value


def test_an_empty_variable_is_one_that_is_not_set() -> None:
    loaded = load_settings({}, environment={"EVERFOLD_STORE": "", "EVERFOLD_LOCK_TIMEOUT": ""})
    assert loaded.values == Settings()


def test_variables_of_other_programs_do_no_harm_and_are_listed() -> None:
    others = {"EVERFOLD_APP": "shop:app", "EVERFOLD_TRACEBACK": "1", "EVERFOLD_LOCK_TIMEOUTS": "x", "PATH": "/bin"}
    loaded = load_settings({}, environment={**others, "EVERFOLD_CHECKS": "1", "EVERFOLD_STORE": "a.db"})
    assert loaded.ignored == ("EVERFOLD_APP", "EVERFOLD_LOCK_TIMEOUTS", "EVERFOLD_TRACEBACK")
    assert loaded.values == Settings(checks=True, store="a.db")


def test_the_file_may_name_the_application_for_the_command_line(folder: Path) -> None:
    (folder / "everfold.toml").write_text('app = "shop.app:app"')
    assert load_settings({}, environment={}).values == Settings()


def test_an_argument_that_is_no_setting_is_refused() -> None:
    app = App("bank", Account, lock_timeouts=1)
    with pytest.raises(ConfigurationError, match=r"'lock_timeouts' \(argument\) is not a setting.*lock_timeout"):
        app.settings()


def test_an_entry_of_the_file_that_is_no_setting_is_refused(folder: Path) -> None:
    (folder / "everfold.toml").write_text("lock_timeouts = 1")
    with pytest.raises(ConfigurationError, match=r"'lock_timeouts' \(everfold.toml\)"):
        load_settings({}, environment={})


@pytest.mark.parametrize(
    ("name", "value"),
    [("lock_timeout", "soon"), ("retry_attempts", "0"), ("hot_aggregates", "-1"), ("command_timeout", "0"),
     ("max_event_bytes", "1.5"), ("checks", "perhaps")],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_names_the_setting_and_its_source(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name} from environment cannot be '{value}'"):
        load_settings({}, environment={f"EVERFOLD_{name.upper()}": value})
    with pytest.raises(ConfigurationError, match=f"{name} from argument"):
        load_settings({name: value}, environment={})


def test_a_file_that_was_named_must_be_there() -> None:
    with pytest.raises(ConfigurationError, match=r"EVERFOLD_CONFIG names nowhere\.toml, which does not exist"):
        load_settings({}, environment={"EVERFOLD_CONFIG": "nowhere.toml"})


@pytest.mark.parametrize("content", [b"lock_timeout = ", b"\xff\xfe", b"[["])
def test_a_file_that_is_no_toml_is_refused(folder: Path, content: bytes) -> None:
    (folder / "everfold.toml").write_bytes(content)
    with pytest.raises(ConfigurationError, match="cannot be read as TOML"):
        load_settings({}, environment={})


def test_a_folder_in_place_of_the_file_is_refused(folder: Path) -> None:
    (folder / "everfold.toml").mkdir()
    with pytest.raises(ConfigurationError, match="cannot be read as TOML"):
        load_settings({}, environment={})


async def test_an_app_reads_the_environment_when_it_starts(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = App("bank", Account)
    monkeypatch.setenv("EVERFOLD_STORE", "sqlite:///elsewhere.db")
    async with app:
        assert (folder / "elsewhere.db").exists()
    assert app.settings().sources["store"] == "environment"


async def test_the_default_store_is_a_file_named_after_the_app(folder: Path) -> None:
    async with App("bank", Account):
        assert (folder / "bank.db").exists()


async def test_settings_can_be_overridden_until_the_app_starts(folder: Path) -> None:
    app = App("bank", Account, store="memory:", port=1)
    app.override(port=2, role="server")
    assert (app.settings().values.port, app.settings().sources["role"]) == (2, "argument")
    async with app:
        with pytest.raises(DefinitionError, match="running already"):
            app.override(port=3)
