"""What ``everfold doctor`` says of a PostgreSQL server, each finding on a real one that has been set so."""

import json
import os
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from everfold import App
from everfold.cli import postgres_checkup
from everfold.cli.demo_bank import Account, OpenAccount
from everfold.cli.postgres_checkup import Facts, findings
from everfold.cli.program import program
from tests.postgres.pooler import Pooler
from tests.postgres.server import PostgresServer

Findings = dict[str, tuple[str, str, str]]
Doctor = Callable[..., Findings]


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """One whose settings the tests change; every test leaves it as it was."""
    with PostgresServer({"max_prepared_transactions": "2"}) as server:
        fill(server)
        yield server


@pytest.fixture
def doctor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Doctor:
    """What it finds at a URL: status, finding and advice of each check; ``code`` is the exit code."""
    for name in os.environ:
        if name.startswith("EVERFOLD_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def look(url: str, code: int = 0) -> Findings:
        result = CliRunner().invoke(program, ["doctor", "--json", "--store", url])
        assert result.exit_code == code, result.output
        return {
            one["check"]: (one["status"], one["found"], one["advice"]) for one in json.loads(result.stdout)["findings"]
        }

    return look


@contextmanager
def configured(server: PostgresServer, **settings: str) -> Generator[None]:
    before = {name: str(server.execute(f"SHOW {name}")[0][0]) for name in settings}
    server.configure(**settings)
    try:
        yield
    finally:
        server.configure(**before)


def test_a_sound_server(server: PostgresServer, doctor: Doctor) -> None:
    found = doctor(server.url(schema="bank"))
    version = server.programs.version
    assert found["server"][:2] == ("ok", f"PostgreSQL {version}.{_minor(server)}, UTF8")
    for check in ("fsync", "full_page_writes", "synchronous_commit", "data checksums", "autovacuum"):
        assert found[check][:2] == ("ok", "on")
    assert found["wal_level"][:2] == ("ok", "replica")
    assert found["schema version"][0] == "ok"
    assert found["standbys"][:2] == ("ok", "none")
    assert found["long transactions"][0] == "ok"
    assert found["indexes"][:2] == ("ok", "all valid")
    assert found["connections"][0] == "ok"
    assert found["way to the server"][:2] == ("ok", "direct")
    assert found["head"][:2] == ("ok", "position 1")
    assert found["role"][:2] == ("note", "postgres, a superuser")
    assert "replication slots" not in found


def _minor(server: PostgresServer) -> int:
    return int(server.execute("SHOW server_version_num")[0][0]) % 10_000


@pytest.mark.parametrize(
    ("settings", "check", "status", "advice"),
    [
        ({"fsync": "off"}, "fsync", "failed", "lose what was acknowledged"),
        ({"full_page_writes": "off"}, "full_page_writes", "warning", "half-written pages"),
        ({"autovacuum": "off"}, "autovacuum", "warning", "grow for ever"),
        ({"track_counts": "off"}, "autovacuum", "warning", "grow for ever"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_settings_that_endanger_a_store(
    server: PostgresServer, doctor: Doctor, settings: dict[str, str], check: str, status: str, advice: str
) -> None:
    with configured(server, **settings):
        found = doctor(server.url(schema="bank"), code=3 if status == "failed" else 0)[check]
    assert found[0] == status
    assert advice in found[2]


def test_appends_are_durable_whatever_the_default(server: PostgresServer, doctor: Doctor) -> None:
    with configured(server, synchronous_commit="off"):
        status, found, _ = doctor(server.url(schema="bank"))["synchronous_commit"]
    assert (status, found.startswith("off, but on for every append")) == ("ok", True)


@pytest.mark.parametrize("level", ["local", "remote_write"])
def test_commits_that_do_not_wait_for_a_standby_as_they_should(
    server: PostgresServer, doctor: Doctor, level: str
) -> None:
    with configured(server, synchronous_commit=level):
        assert doctor(server.url(schema="bank"))["synchronous_commit"][:2] == ("ok", level)
        with configured(server, synchronous_standby_names="far_away"):
            found = doctor(server.url(schema="bank"))
    assert found["synchronous_commit"][0] == "warning"
    assert found["standbys"][:2] == ("warning", "none, but far_away is waited for")


def test_a_long_transaction(server: PostgresServer, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(server.connect()) as forgotten:
        forgotten.execute("BEGIN")
        forgotten.execute("SELECT 1")
        assert doctor(server.url(schema="bank"))["long transactions"][0] == "ok"
        monkeypatch.setattr(postgres_checkup, "LONG_SECONDS", 0.0)
        status, found, advice = doctor(server.url(schema="bank"))["long transactions"]
        pid = forgotten.info.backend_pid
    assert status == "warning"
    assert f"postgres (process {pid}, idle in transaction)" in found
    assert f"pg_terminate_backend({pid}); idle_in_transaction_session_timeout" in advice


def test_a_prepared_transaction_that_nobody_ends(
    server: PostgresServer, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_checkup, "LONG_SECONDS", 0.0)
    with closing(server.connect()) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE half_made ()")
        connection.execute("PREPARE TRANSACTION 'forgotten'")
    status, found, advice = doctor(server.url(schema="bank"))["long transactions"]
    server.execute("ROLLBACK PREPARED 'forgotten'")
    assert (status, "forgotten (prepared" in found) == ("warning", True)
    assert "ROLLBACK PREPARED 'forgotten'" in advice


def test_a_user_without_rights_is_told_what_it_cannot_see(server: PostgresServer, doctor: Doctor) -> None:
    server.execute("CREATE ROLE reader LOGIN")
    server.execute("GRANT USAGE ON SCHEMA bank TO reader")
    server.execute("GRANT SELECT ON ALL TABLES IN SCHEMA bank TO reader")
    server.execute("GRANT SELECT ON ALL SEQUENCES IN SCHEMA bank TO reader")
    url = server.url(schema="bank").replace("postgres@", "reader@")
    server.wait(lambda: not server.backends(), "the sessions of other tests to end")
    assert doctor(url)["long transactions"][0] == "ok"
    with closing(server.connect()) as other:
        other.execute("BEGIN")
        found = doctor(url)
        assert found["long transactions"][0] == "note"
        assert "GRANT pg_read_all_stats" in found["long transactions"][2]
        server.execute("GRANT pg_read_all_stats TO reader")
        assert doctor(url)["long transactions"][0] == "ok"
    assert found["role"][:2] == ("note", "reader, who may only read")


def test_autovacuum_that_is_off_for_a_table(server: PostgresServer, doctor: Doctor) -> None:
    server.execute("ALTER TABLE bank.everfold_replies SET (autovacuum_enabled = false)")
    found = doctor(server.url(schema="bank"))["autovacuum"]
    server.execute("ALTER TABLE bank.everfold_replies RESET (autovacuum_enabled)")
    assert found[:2] == ("warning", "off for bank.everfold_replies")
    assert found[2].endswith("ALTER TABLE bank.everfold_replies RESET (autovacuum_enabled).")


def test_an_index_that_was_not_finished(server: PostgresServer, doctor: Doctor) -> None:
    server.execute("CREATE TABLE bank.twice AS SELECT 1 AS number UNION ALL SELECT 1")
    with pytest.raises(psycopg.errors.UniqueViolation):
        server.execute("CREATE UNIQUE INDEX CONCURRENTLY half_made ON bank.twice (number)")
    found = doctor(server.url(schema="bank"), code=3)["indexes"]
    server.execute("DROP TABLE bank.twice")
    assert found[:2] == ("failed", "not valid: bank.half_made")
    assert "REINDEX INDEX CONCURRENTLY bank.half_made" in found[2]


def test_few_connections_that_are_left(server: PostgresServer, doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_checkup, "MANY_CONNECTIONS", 0.0)
    found = doctor(server.url(schema="bank"))["connections"]
    assert (found[0], found[1].endswith(" of 200 used")) == ("warning", True)
    assert "max_connections" in found[2]


def test_a_slot_that_nobody_reads(server: PostgresServer, doctor: Doctor) -> None:
    server.execute("SELECT pg_create_physical_replication_slot('left_behind')")
    found = doctor(server.url(schema="bank"))["replication slots"]
    server.execute("SELECT pg_drop_replication_slot('left_behind')")
    assert found[:2] == ("warning", "nobody reads left_behind")


def test_a_pooler_in_between(server: PostgresServer, doctor: Doctor) -> None:
    check = "way to the server"
    with Pooler(server) as pooler:
        status, found, advice = doctor(pooler.url(schema="bank"))[check]
        assert (status, found) == ("note", "through a pooler of connections")
        assert "&direct=HOST:PORT" in advice
        past = doctor(pooler.url(schema="bank", direct=f"127.0.0.1:{server.port}"))[check]
        assert past[:2] == ("ok", "through a pooler; commits of others are heard of directly")
        nowhere = doctor(pooler.url(schema="bank", direct="127.0.0.1:1"), code=3)[check]
        assert nowhere[0] == "failed"
        again = doctor(pooler.url(schema="bank", direct=f"127.0.0.1:{pooler.port}"), code=3)[check]
        assert again[1].endswith("is a pooler, too")


def test_a_schema_of_a_newer_everfold_fails_its_check(server: PostgresServer, doctor: Doctor) -> None:
    server.execute("INSERT INTO bank.everfold_store (version, compatible) VALUES (99, 1)")
    assert doctor(server.url(schema="bank"))["schema version"][1] == "99, for programs that know 1 or newer"
    server.execute("UPDATE bank.everfold_store SET compatible = 99 WHERE version = 99")
    found = doctor(server.url(schema="bank"), code=3)["store"]
    server.execute("DELETE FROM bank.everfold_store WHERE version = 99")
    assert (found[0], "99" in found[1]) == ("failed", True)


def fill(server: PostgresServer) -> None:
    with App("bank", Account, store=server.url()).blocking() as app:
        app.execute(OpenAccount(account_id="a1", owner="Ann"))


def test_standbys(doctor: Doctor) -> None:
    with PostgresServer({"fsync": "off"}) as primary:
        fill(primary)
        with PostgresServer.standby_of(primary) as standby:
            found = doctor(primary.url(), code=3)["standbys"]
            assert found[:2] == ("ok", f"{standby.name}; commits wait for {standby.name}")
            with configured(primary, synchronous_standby_names=""):
                status, said, advice = doctor(primary.url(), code=3)["standbys"]
                assert (status, said) == ("warning", f"{standby.name}: none of them synchronous")
                assert f"'ANY 1 ({standby.name})'" in advice
            with configured(primary, synchronous_standby_names="far_away"):
                status, said, _ = doctor(primary.url(), code=3)["standbys"]
                assert (status, said) == ("warning", f"{standby.name}, but far_away is waited for")
            at_standby = doctor(standby.url(), code=3)
            assert (at_standby["server"][0], at_standby["server"][1].endswith(", a standby")) == ("warning", True)
            assert at_standby["standbys"][0] == "ok"


def test_what_only_a_start_can_change(doctor: Doctor) -> None:
    with closing(PostgresServer({"wal_level": "minimal", "max_wal_senders": "0"})) as server:
        server.programs.run("pg_checksums", "--disable", f"--pgdata={server.data}", "--no-sync")
        server.start()
        fill(server)
        found = doctor(server.url(schema="bank"))
    assert found["wal_level"][:2] == ("warning", "minimal")
    assert found["data checksums"][:2] == ("note", "off")


def test_a_server_older_than_those_that_are_tested() -> None:
    settings = dict.fromkeys(("fsync", "full_page_writes", "synchronous_commit", "data_checksums"), "on")
    settings |= {"autovacuum": "on", "track_counts": "on", "wal_level": "replica", "synchronous_standby_names": ""}
    settings |= {"max_connections": "100", "superuser_reserved_connections": "3", "server_encoding": "UTF8"}
    facts = Facts(
        version=140_005,
        driver="psycopg",
        direct=None,
        is_pooled=False,
        is_standby=False,
        settings=settings,
        sessions=(),
        hidden_sessions=0,
        standbys=(),
        idle_slots=(),
        connections=1,
        invalid_indexes=(),
        unvacuumed_tables=(),
        sizes=(1, 1),
        schema_version=(1, 1),
        role=("shop", False, True),
    )
    wrong = [(found.check, found.status, found.found) for found in findings(facts) if found.status != "ok"]
    assert wrong == [("server", "warning", "PostgreSQL 14.5, UTF8")]


def test_another_encoding_fails_its_check(
    server: PostgresServer, doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    url = server.url(schema="bank").replace("/postgres?", "/latin?")
    result = CliRunner().invoke(program, ["doctor", "--store", url])
    assert (result.exit_code, "server_encoding" in result.stderr) == (1, True)
    monkeypatch.setenv("EVERFOLD_STORE", url)
    result = CliRunner().invoke(program, ["doctor"])
    assert (result.exit_code, "server_encoding" in result.stdout) == (3, True)
