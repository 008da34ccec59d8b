"""How commands end: exceptions to exit codes, and one sentence on standard error. The only place that decides this."""

from __future__ import annotations

import os
import sys
import traceback

import click

from everfold.errors import Conflict, EverfoldError, IdempotencyKeyReused

__all__ = ["CHECK_FAILED", "CONFLICT", "FAILURE", "INTERRUPTED", "OK", "exit_code_of"]

OK = 0
FAILURE = 1
CHECK_FAILED = 3
CONFLICT = 4
INTERRUPTED = 130
TRACEBACK_VARIABLE = "EVERFOLD_TRACEBACK"


def exit_code_of(error: BaseException) -> int:
    """Tell the user what went wrong, and return the exit code for it."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else FAILURE
    if isinstance(error, click.Abort | KeyboardInterrupt):
        _say("Stopped.")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        _abandon_output()  # as in `everfold events read | head`: the reader has seen enough
        return OK
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if os.environ.get(TRACEBACK_VARIABLE):
        traceback.print_exception(error)
    _say(f"{click.style('error:', fg='red', bold=True)} {_sentence(error)}")
    return CONFLICT if isinstance(error, Conflict | IdempotencyKeyReused) else FAILURE


def _sentence(error: BaseException) -> str:
    if isinstance(error, EverfoldError):
        return f"{' '.join(str(error).split())} [{error.code}]"
    hint = "" if os.environ.get(TRACEBACK_VARIABLE) else f" Set {TRACEBACK_VARIABLE}=1 to see where it happened."
    return f"{type(error).__name__}: {' '.join(str(error).split())}.{hint} [unexpected]"


def _say(text: str) -> None:
    # There is no click context any more, so that NO_COLOR has to be looked at again.
    click.echo(text, err=True, color=False if os.environ.get("NO_COLOR") else None)


def _abandon_output() -> None:
    """Let the interpreter flush its buffers into nothing when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):
        return
    finally:
        os.close(nowhere)
