"""A bank that is watched, and what its metrics say."""

import os
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from everfold import App
from everfold.telemetry.metrics import metrics_of
from tests.http.bank import bank


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory and an environment without settings."""
    for name in os.environ:
        if name.startswith(("EVERFOLD_", "OTEL_")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def watched(folder: Path) -> AsyncGenerator[App]:
    """The bank of the tests of http, running, with its metrics."""
    app = bank(str(folder / "bank.db"))
    metrics_of(app)
    async with app:
        yield app
