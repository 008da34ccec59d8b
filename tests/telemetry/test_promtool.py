import shutil

import pytest

from tests.telemetry.promtool import promtool


@pytest.fixture(autouse=True)
def without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", _finds_nothing)
    monkeypatch.delenv("REQUIRE_ENGINES", raising=False)


def _finds_nothing(name: str) -> None:
    return None


def test_without_it_a_test_is_skipped() -> None:
    with pytest.raises(pytest.skip.Exception, match="apt-get install"):
        promtool("--version")


def test_where_it_is_required_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_ENGINES", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install"):
        promtool("--version")
