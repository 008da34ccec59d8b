"""``everfold doctor``: the machine, the settings, the store, every record."""

import json
import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from everfold.cli import checkup
from everfold.cli.checkup import file_system, wal_reset_bug
from everfold.cli.projections_checkup import FAR_EVENTS, FAR_SECONDS, judged
from everfold.cli.read_side import Lag
from everfold.engines.sqlite.engine import SqliteEngine
from everfold.errors import StoreCorrupt
from everfold.projections.operations import ProjectionStatus
from tests.cli.conftest import Invoke, record_deposits


def findings(invoke: Invoke, *options: object) -> tuple[int, dict[str, tuple[str, str]], Any]:
    result = invoke("doctor", "--json", *options)
    found = json.loads(result.stdout)
    assert found["healthy"] == (result.exit_code == 0)
    return result.exit_code, {one["check"]: (one["status"], one["found"]) for one in found["findings"]}, found


def test_a_sound_store(invoke: Invoke, bank: Path) -> None:
    code, found, report = findings(invoke, "--store", bank)
    assert code == 0
    assert found["journal mode"] == ("ok", "wal")
    assert found["synchronous"] == ("ok", "full")
    assert found["head"] == ("ok", "position 4")
    assert found["schema version"][0] == "ok"
    assert (report["store"], report["verified"]) == (str(bank), None)


def test_verify_reads_every_record(invoke: Invoke, bank: Path) -> None:
    code, found, report = findings(invoke, "--verify", "--store", bank)
    assert (code, found["records"]) == (0, ("ok", "all 4 verified"))
    assert report["verified"] == {"records": 4, "damages": []}


def test_damage_is_found_and_located(invoke: Invoke, bank: Path) -> None:
    with sqlite3.connect(bank) as connection:
        connection.execute("DROP TRIGGER events_are_never_changed")
        connection.execute("UPDATE events SET data = replace(data, '50', '51') WHERE position = 2")
    connection.close()
    code, found, report = findings(invoke, "--verify", "--store", bank)
    assert (code, found["records"][0]) == (3, "failed")
    assert [damage["position"] for damage in report["verified"]["damages"]] == [2]
    text = invoke("doctor", "--verify", "--store", bank).stdout
    assert "FAIL  records" in text
    assert "1 damaged. position 2:" in text


def test_a_store_that_cannot_be_read_at_a_place(invoke: Invoke, bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(self: SqliteEngine, *, after: int, limit: int) -> None:
        raise StoreCorrupt("The page is damaged.", position=3)

    monkeypatch.setattr(SqliteEngine, "verify", broken)
    code, _, report = findings(invoke, "--verify", "--store", bank)
    assert (code, report["verified"]["damages"]) == (3, [{"position": 3, "problem": "The page is damaged."}])


def test_a_truncated_store_fails_its_check(invoke: Invoke, bank: Path) -> None:
    bank.write_bytes(bank.read_bytes()[:5000])
    code, found, _ = findings(invoke, "--store", bank)
    assert (code, found["store"][0]) == (3, "failed")


def test_without_a_store_the_rest_is_checked(invoke: Invoke) -> None:
    result = invoke("doctor")
    assert result.exit_code == 0
    assert "No store chosen." in result.stdout


def test_a_store_that_is_not_there_yet(invoke: Invoke, folder: Path) -> None:
    assert invoke("doctor", "--store", "nothing.db").exit_code == 1
    (folder / "everfold.toml").write_text('store = "later.db"')
    code, found, _ = findings(invoke)
    assert (code, found["store"][0]) == (0, "note")
    assert not (folder / "later.db").exists()


def test_broken_settings_fail_their_check(invoke: Invoke, folder: Path) -> None:
    (folder / "everfold.toml").write_text("lock_timeout = 'soon'")
    code, found, _ = findings(invoke)
    assert (code, found["settings"][0]) == (3, "failed")


def test_settings_are_named_with_their_sources(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERFOLD_CHECKS", "true")
    _, found, _ = findings(invoke)
    assert found["settings"] == ("ok", "checks (environment)")
    assert found["checks"] == ("note", "on (environment)")


def test_a_clock_that_was_wrong(invoke: Invoke, bank: Path) -> None:
    _, found, _ = findings(invoke, "--store", bank)
    assert found["clock"][0] == "warning"  # the fixture's records are of 2030
    assert "in the future" in found["clock"][1]


@pytest.mark.parametrize(
    ("version", "is_guarded", "status"),
    [
        ((3, 6, 23), False, "ok"),
        ((3, 40, 1), True, "ok"),
        ((3, 40, 1), False, "warning"),
        ((3, 51, 2), False, "warning"),
        ((3, 51, 3), False, "ok"),
    ],
)
def test_the_wal_reset_bug(version: tuple[int, ...], is_guarded: bool, status: str) -> None:
    finding = wal_reset_bug(version, is_guarded=is_guarded)
    assert finding.status == status
    assert "WAL-reset bug" in finding.found


MOUNTS = """\
21 1 8:1 / / rw shared:1 - ext4 /dev/sda1 rw
22 21 0:50 / /srv/share rw - nfs4 server:/share rw
23 21 0:51 / /srv/my\\040disk rw - xfs /dev/sdb rw
"""


def test_the_file_system_is_that_of_the_deepest_mount(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert file_system(Path("/srv/share/bank.db"), mounts) == "nfs4"
    assert file_system(Path("/srv/shared/bank.db"), mounts) == "ext4"
    assert file_system(Path("/srv/my disk/bank.db"), mounts) == "xfs"
    assert file_system(Path("/srv/bank.db"), tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("kind", "status"), [("nfs4", "failed"), ("fuse.sshfs", "failed"), ("ext4", "ok"), (None, "note")]
)
def test_network_file_systems_fail(bank: Path, monkeypatch: pytest.MonkeyPatch, kind: str | None, status: str) -> None:

    def answer(path: Path) -> str | None:
        return kind

    monkeypatch.setattr(checkup, "file_system", answer)
    assert {finding.check: finding.status for finding in checkup.disk(bank)}["file system"] == status


@pytest.mark.parametrize(("free", "status"), [(10 * 2**20, "failed"), (500 * 2**20, "warning"), (2**40, "ok")])
def test_free_disk_space(bank: Path, monkeypatch: pytest.MonkeyPatch, free: int, status: str) -> None:

    def answer(path: Path) -> object:
        return SimpleNamespace(free=free)

    monkeypatch.setattr(shutil, "disk_usage", answer)
    assert {finding.check: finding.status for finding in checkup.disk(bank)}["free disk space"] == status


def test_a_long_write_ahead_log(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(f"{bank}-wal").write_bytes(b"x" * 100)
    monkeypatch.setattr(checkup, "LONG_WAL", 10)
    assert {finding.check: finding.status for finding in checkup.disk(bank)}["write-ahead log"] == "warning"


def test_many_damages_are_summed_up(invoke: Invoke, bank: Path) -> None:
    with sqlite3.connect(bank) as connection:
        connection.execute("DROP TRIGGER events_are_never_changed")
        connection.execute("UPDATE events SET checksum = checksum + 1")
    connection.close()
    assert "4 damaged." in invoke("doctor", "--verify", "--store", bank).stdout


def of_projections(invoke: Invoke, *options: object) -> dict[str, list[tuple[str, str]]]:
    code, _, report = findings(invoke, *options)
    assert code == 0
    found: dict[str, list[tuple[str, str]]] = {}
    for one in report["findings"]:
        if one["check"].startswith("projection "):
            found.setdefault(one["check"].removeprefix("projection "), []).append((one["status"], one["found"]))
    return found


def test_projections_that_were_never_run(invoke: Invoke, projected: Path, folder: Path) -> None:
    before = {path.name for path in folder.iterdir()}
    assert of_projections(invoke) == {
        "summaries": [("note", "never run")],
        "opened-by-owner": [("note", "never run")],
        "deposits-by-account": [("ok", "folded when asked, up to date")],
    }
    assert {path.name for path in folder.iterdir()} == before
    invoke("projections", "list")  # makes the bookkeeping, and builds nothing
    assert of_projections(invoke)["summaries"] == [("note", "never run")]


def test_projections_that_need_somebody(invoke: Invoke, projected: Path) -> None:
    record_deposits(projected, 13, 1)
    invoke("projections", "rebuild", "summaries")
    aside = ("warning", "1 event set aside, 1 wait behind")
    (_, said), found = of_projections(invoke)["summaries"]  # what operators do is recorded, and nobody runs it
    assert (said.replace("(1 s)", "(0 s)"), found) == ("nobody runs it, 1 event (0 s) behind", aside)
    invoke("projections", "pause", "summaries", "--reason", "to look")
    (status, said), found = of_projections(invoke)["summaries"]
    assert (status, said.partition(",")[0], found) == ("warning", "paused (to look)", aside)
    invoke("query", "count-opened", "owner=Ann")
    assert of_projections(invoke)["opened-by-owner"] == [("ok", "written by every append, up to date")]


@pytest.mark.parametrize(
    ("lag", "status"),
    [
        (Lag(0, 0.0), "ok"),
        (Lag(FAR_EVENTS, FAR_SECONDS), "ok"),
        (Lag(FAR_EVENTS + 1, 1.0), "warning"),
        (Lag(1, 61.0), "warning"),
    ],
)
def test_a_projection_that_is_far_behind(lag: Lag, status: str) -> None:
    found = ProjectionStatus(
        name="summaries",
        mode="async",
        state="running elsewhere",
        position=1,
        head=2,
        lag=lag.events,
        parked=0,
        waiting=0,
        paused=None,
        problem=None,
        build=1,
        building=None,
        runner="somebody",
        moved=1,
    )
    assert [finding.status for finding in judged(found, lag)] == [status]


def test_an_app_that_cannot_be_imported_fails_its_check(invoke: Invoke, bank: Path, folder: Path) -> None:
    (folder / "doctor_broken.py").write_text("1 / 0")
    code, found, _ = findings(invoke, "--store", bank, "--app", "doctor_broken:app")
    assert (code, found["app"]) == (3, ("failed", "it cannot be imported: ZeroDivisionError: division by zero"))
    code, found, _ = findings(invoke, "--store", bank, "--app", "doctor_missing:app")
    assert (code, found["app"][0]) == (3, "failed")
