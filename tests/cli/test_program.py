"""The command tree: help, spelling, exit codes, errors in one sentence."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from everfold.cli.failures import exit_code_of
from everfold.cli.main import main
from everfold.cli.program import program
from everfold.cli.suggestions import did_you_mean
from everfold.errors import Conflict, IdempotencyKeyReused, NotFound
from tests.cli.conftest import Invoke

COMMANDS = [
    "demo",
    "new",
    "run",
    "describe",
    "state",
    "events",
    "streams",
    "query",
    "projections",
    "parked",
    "tokens",
    "import",
    "export",
    "restore",
    "compare",
    "doctor",
]
SUBCOMMANDS = {
    "events": ["tail", "read", "show"],
    "streams": ["list", "show"],
    "projections": ["list", "pause", "rebuild", "reset", "resume", "status"],
    "parked": ["edit", "list", "retry", "show", "skip"],
    "tokens": ["create", "list", "revoke"],
}


def everfold(*arguments: object, **options: object) -> subprocess.CompletedProcess[str]:
    code = "from everfold.cli.main import main; main()"
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, **options)  # type: ignore[call-overload, no-any-return]


def test_help_names_every_command(invoke: Invoke) -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert [
        line.split()[0] for line in result.stdout.partition("Commands:")[2].splitlines()[1 : len(COMMANDS) + 1]
    ] == COMMANDS


@pytest.mark.parametrize(
    "command",
    [[name] for name in COMMANDS] + [[group, name] for group, names in SUBCOMMANDS.items() for name in names],
    ids=" ".join,
)
def test_every_command_has_help(invoke: Invoke, command: list[str]) -> None:
    result = invoke(*command, "--help")
    assert result.exit_code == 0
    assert "Usage:" in result.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['everfold', '--help']\n"
        "from everfold.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: print('HEAVY', [name for name in ('rich', 'sqlalchemy') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "HEAVY []" in result.stdout


@pytest.mark.parametrize("module", ["click", "rich"])
def test_a_missing_extra_is_one_sentence(module: str) -> None:
    code = f"import sys; sys.modules[{module!r}] = None; from everfold.cli.main import main; main()"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert result.returncode == 1
    assert result.stderr == (
        "error: The command line needs an optional dependency. Install it with: pip install 'everfold[cli]' "
        "[missing-extra]\n"
    )


def test_the_entry_point_runs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["everfold", "--version"])
    with pytest.raises(SystemExit) as exit:
        main()
    assert exit.value.code == 0
    assert capsys.readouterr().out.startswith("everfold ")


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["evnts"], "Did you mean 'events'?"),
        (["events", "tial"], "Did you mean 'tail'?"),
        (["xyz"], "There is demo, new, run"),
    ],
)
def test_a_misspelt_command_is_a_usage_error(invoke: Invoke, arguments: list[str], hint: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert hint in result.stderr


def test_an_unknown_option_is_a_usage_error(invoke: Invoke) -> None:
    assert invoke("--nonsense").exit_code == 2
    assert invoke("events", "read", "--nonsense").exit_code == 2


def test_a_reader_that_goes_away_ends_the_command_quietly(bank: Path) -> None:
    code = "from everfold.cli.main import main; main()"
    reading = [sys.executable, "-c", code, "events", "read", "--json", "--store", str(bank)]
    closed, pipe = os.pipe()
    os.close(closed)
    result = subprocess.run(reading, stdout=pipe, stderr=subprocess.PIPE, text=True, check=False, timeout=60)
    os.close(pipe)
    assert (result.returncode, result.stderr) == (0, "")


def test_errors_are_one_sentence_with_their_code(invoke: Invoke) -> None:
    result = invoke("events", "read", "--store", "nothing.db")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: There is no store ")
    assert result.stderr.endswith(" [store-unavailable]\n")
    assert result.stderr.count("\n") == 1


def test_the_traceback_can_be_asked_for(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVERFOLD_TRACEBACK", "1")
    assert "Traceback" in invoke("events", "read", "--store", "nothing.db").stderr


def test_bugs_in_the_users_code_are_told_without_a_traceback(invoke: Invoke, folder: Path) -> None:
    (folder / "broken_app_module.py").write_text("1 / 0")
    result = invoke("describe", "--app", "broken_app_module:app")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: ZeroDivisionError: division by zero. Set EVERFOLD_TRACEBACK=1 to see where it happened. [unexpected]\n"
    )


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Conflict("No."), 4),
        (IdempotencyKeyReused("k"), 4),
        (NotFound("stream", "x"), 1),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.UsageError("No."), 2),
        (SystemExit(7), 7),
        (SystemExit("text"), 1),
    ],
)
def test_exit_codes(error: BaseException, code: int) -> None:
    assert exit_code_of(error) == code


def test_colours_only_where_they_are_wanted(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, bank: Path) -> None:
    command = ["streams", "show", "account-a1", "--store", str(bank)]
    assert "\x1b[" not in invoke(*command).stdout
    assert "\x1b[" in invoke(*command, color=True).stdout
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[" not in invoke(*command, color=True).stdout


def test_suggestions_need_some_likeness() -> None:
    assert did_you_mean("Acount", ["Account", "Order"]) == " Did you mean 'Account'?"
    assert did_you_mean("zzz", ["Account", "Order"]) == ""


def test_the_group_is_called_everfold() -> None:
    result = everfold("--version")
    assert result.returncode == 0
    assert program.name == "program"
    assert result.stdout.startswith("everfold ")
