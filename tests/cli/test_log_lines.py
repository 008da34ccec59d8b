"""The log of a service that runs: ``everfold run --log json``. Its formatters: tests/telemetry/test_logs.py."""

import json
import sys
from pathlib import Path

import httpx
import pytest

from tests.cli.conftest import everfold
from tests.cli.test_run import BANK, banner, until, url_in


@pytest.mark.skipif(sys.platform == "win32", reason="it is stopped by a signal")
def test_each_request_is_a_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERFOLD_AUTHENTICATION", "false")
    with everfold("run", BANK, "--port", 0, "--log", "json", "--quiet", cwd=folder) as running:
        url = url_in(banner(running))
        sent = httpx.post(
            f"{url}/commands/open-account",
            json={"account_id": "a", "owner": "Ann"},
            headers={"X-Correlation-Id": "c-1"},
            timeout=30,
        )
        assert sent.status_code == 200
        told = json.loads(until(running, '"everfold.access"'))
        assert (told["operation"], told["status"], told["correlation_id"]) == ("execute-open-account", 200, "c-1")
