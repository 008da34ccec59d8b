"""``everfold query``: typed fields, rows and pages, the past, watching, read models that nobody keeps up to date."""

import json
import signal
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Invoke, everfold, record_deposits

ROOT = Path(__file__).parents[2]


def test_one_row(invoke: Invoke, projected: Path) -> None:
    result = invoke("query", "get-summary", "account_id=a1")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "account_id  a1\nowner       Ann\nbalance     120\n".replace("120", "150")


def test_a_page(invoke: Invoke, projected: Path) -> None:
    result = invoke("query", "list-summaries", "limit=1")
    assert result.stdout == "account_id  owner  balance\na1          Ann        150\n"
    assert result.stderr == "Rows 1 to 1 of 2. The next: offset=1\n"
    found = json.loads(invoke("query", "list-summaries", "limit=1", "--json").stdout)
    assert (found["total"], found["next_offset"], found["items"][0]["account_id"]) == (2, 1, "a1")
    assert invoke("query", "list-summaries", "offset=9").stderr == "No row here; 2 in all.\n"


def test_values_may_be_json(invoke: Invoke, projected: Path) -> None:
    assert invoke("query", "owners-of", 'accounts=["a1","b1"]').stdout == "Ann\nBob\n"
    assert invoke("query", "owners-of", "accounts=[]").stderr == "No row fits.\n"


def test_every_kind_of_handler_answers(invoke: Invoke, projected: Path) -> None:
    assert invoke("query", "count-opened", "owner=Ann").stdout == "owner  Ann\ncount  1\n"
    assert invoke("query", "count-deposits", "account_id=a1").stdout == "1\n"
    assert invoke("query", "greeting", "name=Ann").stdout == "Good day, Ann\n"
    assert json.loads(invoke("query", "greeting", "name=Ann", "--json").stdout) == "Good day, Ann"


def test_what_is_not_found_is_an_error(invoke: Invoke, projected: Path) -> None:
    result = invoke("query", "get-summary", "account_id=a9")
    assert result.exit_code == 1
    assert result.stderr == "error: There is no Summary 'a9'. [not-found]\n"
    assert "There is no name 'nobody'." in invoke("query", "greeting", "name=nobody").stderr


def test_an_unknown_query_lists_what_there_is(invoke: Invoke, projected: Path) -> None:
    result = invoke("query", "get-sumary", "account_id=a1")
    assert result.exit_code == 1
    assert (
        "There is no query 'get-sumary'. Did you mean 'get-summary'? The app 'projected-bank' answers " in result.stderr
    )
    assert "count-opened, get-summary, greeting" in result.stderr


def test_without_a_name_it_lists_the_queries(invoke: Invoke, projected: Path) -> None:
    lines = invoke("query").stdout.splitlines()
    assert lines[0].split() == ["query", "fields", "answer", "about"]
    assert lines[3] == "get-summary     account_id: str                  Summary        One account."
    found = [json.loads(line) for line in invoke("query", "--json").stdout.splitlines()]
    assert found[2]["name"] == "get-summary"
    assert found[2]["fields"] == [{"name": "account_id", "type": "str", "required": True, "default": None}]


@pytest.mark.parametrize(
    ("fields", "hint"),
    [
        (["a1"], "'a1' is no field. Write name=value: account_id: str."),
        (["account=a1"], "The query has no field 'account'. Did you mean 'account_id'?"),
        (["x=a1"], "The query has no field 'x'. It takes account_id: str."),
        (["account_id=a1", "account_id=a2"], "account_id is given twice."),
        ([], "The query needs account_id."),
    ],
)
def test_fields_that_do_not_fit(invoke: Invoke, projected: Path, fields: list[str], hint: str) -> None:
    result = invoke("query", "get-summary", *fields)
    assert result.exit_code == 2
    assert hint in result.stderr


def test_a_value_of_another_type(invoke: Invoke, projected: Path) -> None:
    result = invoke("query", "list-summaries", "limit=many")
    assert result.exit_code == 2
    assert "limit='many' is no int" in result.stderr


def test_the_past(invoke: Invoke, projected: Path) -> None:
    def balance(place: str) -> int:
        found: int = json.loads(invoke("query", "get-summary", "account_id=a1", "--as-of", place, "--json").stdout)[
            "balance"
        ]
        return found

    assert [balance("1"), balance("2"), balance("2030-01-01T12:30Z")] == [100, 150, 100]
    refused = invoke("query", "get-summary", "account_id=a1", "--as-of", "1", "--after", "1")
    assert refused.exit_code == 2
    assert "[invalid-message]" in invoke("query", "greeting", "name=Ann", "--as-of", "1").stderr


def test_asking_for_the_past_builds_nothing(invoke: Invoke, projected: Path) -> None:
    invoke("query", "get-summary", "account_id=a1", "--as-of", "1")
    assert json.loads(invoke("projections", "status", "summaries", "--json").stdout)["build"] is None


def test_it_brings_what_it_asks_up_to_date_and_leaves_no_lease(invoke: Invoke, projected: Path) -> None:
    for deposits in range(1, 6):
        record_deposits(projected, 1)
        assert json.loads(invoke("query", "get-summary", "account_id=a1", "--json").stdout)["balance"] == 150 + deposits
        status = json.loads(invoke("projections", "status", "summaries", "--json").stdout)
        assert (status["state"], status["lag"]) == ("not running", 0)


def test_a_position_that_is_yet_to_come(invoke: Invoke, projected: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERFOLD_READ_TIMEOUT", "0.05")
    assert invoke("query", "get-summary", "account_id=a1", "--after", 2).exit_code == 0
    result = invoke("query", "get-summary", "account_id=a1", "--after", 99)
    assert result.exit_code == 1
    assert "[read-model-behind]" in result.stderr


def test_an_app_that_authorizes(invoke: Invoke, projected: Path, folder: Path) -> None:
    (folder / "guarded_bank.py").write_text(
        "from everfold import App\n"
        "from everfold.cli.demo_bank import Account, Accounts\n"
        "async def only_ann(envelope):\n"
        "    return envelope.metadata.actor == 'ann'\n"
        "app = App('guarded', Account, Accounts, authorize=only_ann)\n"
    )
    command = ["query", "get-account", "account_id=a1", "--app", "guarded_bank"]
    assert "[not-authorized]" in invoke(*command).stderr
    assert invoke(*command, "--actor", "ann").exit_code == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent")
@pytest.mark.parametrize("as_json", [True, False])
def test_watching(projected: Path, *, as_json: bool) -> None:
    options = ["--json"] if as_json else []
    with everfold("query", "get-summary", "account_id=a1", "--watch", *options, cwd=ROOT) as watching:
        assert watching.stdout and watching.stderr
        lines = 1 if as_json else 4
        first = [watching.stdout.readline() for _ in range(lines - 1 or 1)]
        assert "150" in first[-1]
        record_deposits(projected, 5)
        second = [watching.stdout.readline() for _ in range(lines)]
        assert "155" in second[-1]
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 0
