"""``everfold run --workers`` and ``--reload``: processes that are watched over."""

import os
import re
import signal
import sys
from pathlib import Path

import pytest

from everfold.cli.code_watch import CodeWatch
from tests.cli.conftest import Invoke, everfold
from tests.cli.test_run import BANK, banner, get, until, url_in

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")
APP = (
    "from everfold import App\nfrom everfold.cli.demo_bank import Account\napp = App({name!r}, Account, store='x.db')\n"
)


def test_several_processes_serve_together(folder: Path) -> None:
    with everfold("run", BANK, "--port", 0, "--workers", 2, cwd=folder) as running:
        told = banner(running)
        assert told[0].startswith("everfold-demo is running (processes ")
        assert len(told[0].split(",")) == 2
        assert get(url_in(told) + "/livez") == {"status": "alive"}
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0
        assert running.stderr
        assert running.stderr.read().endswith("Stopped. Everything acknowledged is stored.\n")


def test_one_that_dies_is_replaced(folder: Path) -> None:
    """With an app that also has a consumer, which the banner names."""
    (folder / "told.py").write_text(
        APP.format(name="told") + "from everfold.cli.demo_bank import AccountOpened\n"
        "@app.consumes('letters')\ndef letters(event: AccountOpened) -> None: ...\n"
    )
    with everfold("run", "told:app", "--port", 0, "--workers", 2, cwd=folder) as running:
        told = banner(running)
        assert "  tells     1 consumer: letters\n" in told
        os.kill(int(re.findall(r"\d+", told[0])[0]), signal.SIGKILL)
        assert "has ended (SIGKILL). Another takes its place." in until(running, "The worker")
        until(running, " serves.")
        assert get(url_in(told) + "/livez") == {"status": "alive"}
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0


def test_workers_that_cannot_start(folder: Path) -> None:
    """What is found out only when it starts is told once by each, and nothing is tried again."""
    (folder / "everfold-demo.db").write_text("this is no store, though it has its name" * 100)
    with everfold("run", BANK, "--port", 0, "--workers", 2, cwd=folder) as running:
        assert running.wait(60) == 1
        assert running.stderr
        assert "error: " in running.stderr.read()


def test_a_store_inside_a_process_cannot_be_shared(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERFOLD_STORE", "memory:")
    monkeypatch.setenv("EVERFOLD_WORKERS", "3")
    result = invoke("run", BANK)
    assert result.exit_code == 1
    assert "3 workers cannot share the store of 'everfold-demo'" in result.stderr


def test_changed_code_is_served(folder: Path) -> None:
    module = folder / "small.py"
    module.write_text(APP.format(name="one"))
    with everfold("run", "small:app", "--port", 0, "--reload", "--workers", 2, cwd=folder) as running:
        url = url_in(banner(running))
        assert get(url + "/version")["app"] == "one"
        module.write_text("this is no Python")
        until(running, "small.py has changed: starting again.")
        until(running, "Waiting for a change of the code.")
        until(running, "Waiting for a change of the code.")
        module.write_text(APP.format(name="three"))
        until(running, " serves.")
        until(running, " serves.")
        assert get(url + "/version")["app"] == "three"
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 0


async def test_what_is_watched(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everfold.cli.code_watch.LOOK_SECONDS", 0.0)
    (folder / "shop").mkdir()
    for unwatched in (".hidden", "__pycache__", "venv"):
        (folder / unwatched).mkdir()
    (folder / "venv" / "pyvenv.cfg").touch()
    watch = CodeWatch(folder)
    for unwatched in (".hidden/a.py", "__pycache__/a.py", "venv/a.py", "notes.txt"):
        (folder / unwatched).write_text("new")
    (folder / "shop" / "app.py").write_text("new")
    assert await watch.change() == str(Path("shop") / "app.py")
    (folder / "everfold.toml").write_text("port = 1")
    assert await watch.change() == "everfold.toml"
    (folder / "shop" / "app.py").unlink()
    assert await watch.change() == str(Path("shop") / "app.py")
