"""``everfold tokens``: a token is shown once, kept as a hash, and every verb is in the audit."""

import json
import sqlite3
from pathlib import Path

import pytest

from everfold.cli import tokens as module
from everfold.security.tokens import digest_of
from tests.cli.conftest import Invoke


def create(invoke: Invoke, name: str, *options: object) -> str:
    result = invoke("tokens", "create", name, *options)
    assert result.exit_code == 0, result.stderr
    return result.stdout.strip()


def listed(invoke: Invoke) -> list[dict[str, object]]:
    return [json.loads(line) for line in invoke("tokens", "list", "--json").stdout.splitlines()]


@pytest.fixture(autouse=True)
def store(bank: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EVERFOLD_STORE", str(bank))
    monkeypatch.setattr(module, "operator_name", lambda: "ann")
    return bank


def test_a_token_is_shown_once_and_stored_as_a_hash(invoke: Invoke, store: Path) -> None:
    result = invoke("tokens", "create", "backup", "--role", "viewer", "--expires", "90d")
    secret = result.stdout.strip()
    assert secret.startswith("everfold_")
    assert "the only time" in result.stderr
    files = b"".join(path.read_bytes() for path in store.parent.glob("bank*"))
    assert secret.encode() not in files
    assert digest_of(secret).encode() in files


def test_for_programs(invoke: Invoke) -> None:
    made = json.loads(create(invoke, "till", "--role", "teller", "--role", "viewer", "--only", "withdraw", "--json"))
    assert made["token"].startswith("everfold_")
    assert (made["roles"], made["only"], made["expires"]) == (["teller", "viewer"], ["withdraw"], None)
    (found,) = listed(invoke)
    assert (found["name"], found["state"], found["created_by"]) == ("till", "in force", "ann")
    assert "token" not in found
    revoked = invoke("tokens", "revoke", "till", "--json")
    assert json.loads(revoked.stdout) == {"name": "till", "state": "revoked"}
    assert listed(invoke)[0]["state"] == "revoked"


def test_for_people(invoke: Invoke) -> None:
    assert "There are no tokens" in invoke("tokens", "list").stderr
    create(invoke, "backup", "--role", "viewer", "--expires", "12h")
    lines = invoke("tokens", "list").stdout.splitlines()
    assert lines[0].split() == ["token", "state", "roles", "only", "created", "by", "expires"]
    assert lines[1].split()[:5] == ["backup", "in", "force", "viewer", "-"]
    assert invoke("tokens", "revoke", "backup").stdout == "backup is revoked.\n"


def test_a_name_is_taken_until_it_is_revoked(invoke: Invoke) -> None:
    create(invoke, "backup", "--role", "viewer")
    taken = invoke("tokens", "create", "backup", "--role", "viewer")
    assert taken.exit_code == 4
    assert "There is a token 'backup' already" in taken.stderr
    invoke("tokens", "revoke", "backup")
    create(invoke, "backup", "--role", "operator")
    assert [each["state"] for each in listed(invoke)] == ["revoked", "in force"]


@pytest.mark.parametrize("arguments", [["create", "x"], ["create", "x", "--role", "viewer", "--expires", "soon"]])
def test_wrong_usage(invoke: Invoke, arguments: list[str]) -> None:
    assert invoke("tokens", *arguments).exit_code == 2


def test_what_cannot_be(invoke: Invoke) -> None:
    assert "no token in force 'x'" in invoke("tokens", "revoke", "x").stderr
    assert invoke("tokens", "create", "a b", "--role", "viewer").exit_code == 1
    assert invoke("tokens", "create", "x", "--role", "").exit_code == 1


def test_the_audit_tells_who_did_what_and_no_secret(invoke: Invoke, store: Path) -> None:
    secret = create(invoke, "backup", "--role", "viewer", "--expires", "1h")
    invoke("tokens", "revoke", "backup", "--reason", "was public")
    invoke("tokens", "revoke", "backup")
    with sqlite3.connect(store) as connection:
        rows = connection.execute("SELECT type, data, metadata FROM events ORDER BY position").fetchall()
    connection.close()
    events = [(json.loads(data), json.loads(metadata)) for type, data, metadata in rows if "operator-action" in type]
    assert [(data["action"], data["target"], data.get("outcome")) for data, _ in events] == [
        ("create-token", "token backup", None),
        ("create-token", "token backup", "done"),
        ("revoke-token", "token backup", None),
        ("revoke-token", "token backup", "done"),
        ("revoke-token", "token backup", None),
        ("revoke-token", "token backup", "not-found"),
    ]
    assert {metadata["actor"] for _, metadata in events} == {"ann"}
    assert events[0][0]["facts"] == {"roles": "viewer", "only": None, "tenant": None, "seconds": 3600}
    assert events[2][0]["reason"] == "was public"
    assert secret not in str(rows)
