"""An empty working directory for each test, and an environment with one setting: patience on a busy machine."""

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in os.environ:
        if name.startswith("EVERFOLD_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("EVERFOLD_READ_TIMEOUT", "60")
    monkeypatch.chdir(tmp_path)
    return tmp_path
