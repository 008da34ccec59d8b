"""The declared reply type of a command, found at run time."""

from __future__ import annotations

from typing import Any

from everfold import Command
from everfold.domain.reply import reply_type
from tests.app.bank import Open, Pay


class PayLater(Pay):
    pass


class Both(Open, Command[str]):  # pyright: ignore[reportGeneralTypeIssues] (it can be written)
    pass


def test_the_reply_type_is_found_in_the_class_or_above_it() -> None:
    assert reply_type(Pay) is int
    assert reply_type(PayLater) is int
    assert reply_type(Both) is str


def test_a_command_declared_without_replies_with_anything() -> None:
    assert reply_type(Open) is Any
