"""The errors: one tree, drawn where they are defined; each explains itself, has a code and keeps its facts."""

import inspect
import pickle
import re

import pytest

from everfold import errors
from everfold.errors import (
    Conflict,
    EverfoldError,
    IdempotencyKeyReused,
    InvalidMessage,
    MissingExtra,
    NotFound,
    PayloadTooLarge,
    Rejected,
    StoreCorrupt,
    StoreError,
    StoreTooNew,
    UndecodableRecord,
    UnknownEventType,
    UnknownMessage,
)

ALL = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, EverfoldError) and kind.__module__.startswith(errors.__name__)
]


def test_every_error_is_public() -> None:
    assert {kind.__name__ for kind in ALL} == set(errors.__all__)


@pytest.mark.parametrize("kind", ALL)
def test_every_error_is_explained_and_drawn_in_the_tree(kind: type[EverfoldError]) -> None:
    assert inspect.getdoc(kind)
    assert re.search(rf"\b{kind.__name__}\b", errors.__doc__ or "")


def test_every_error_has_a_code_of_its_own() -> None:
    codes = [kind.code for kind in ALL]
    assert len(set(codes)) == len(codes)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", code) for code in codes)


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (MissingExtra("The console", "cli"), {"feature": "The console", "extra": "cli"}),
        (InvalidMessage("withdraw", "amount is missing"), {"message_name": "withdraw"}),
        (UnknownMessage("command", "fly", ("walk",)), {"kind": "command", "name": "fly", "known": ("walk",)}),
        (NotFound("account", "a1", "Open it first."), {"what": "account", "key": "a1"}),
        (Conflict("Late.", stream="a-1", expected=1, actual=2), {"stream": "a-1", "expected": 1, "actual": 2}),
        (IdempotencyKeyReused("k"), {"key": "k"}),
        (PayloadTooLarge("noted", 2_000, 1_000), {"event_type": "noted", "size": 2_000, "limit": 1_000}),
        (UnknownEventType("noted", 2, position=7, stream="a-1"), {"position": 7, "schema_version": 2}),
        (UndecodableRecord("noted", 2, "No.", position=7, stream="a-1"), {"position": 7, "stream": "a-1"}),
        (StoreCorrupt("Damaged.", position=7), {"position": 7}),
        (StoreTooNew(9, 1), {"found": 9, "known": 1}),
        (Rejected("no-funds", "No.", balance=3), {"reason": "no-funds", "facts": {"balance": 3}}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_errors_carry_facts_and_a_sentence(error: EverfoldError, facts: dict[str, object]) -> None:
    assert {name: getattr(error, name) for name in facts} == facts
    assert re.search(r"[.!]$", str(error)) or isinstance(error, InvalidMessage | MissingExtra)


def test_all_that_a_store_refuses_is_one_family() -> None:
    names = {kind.__name__ for kind in ALL if kind.__name__.startswith("Store") or kind is errors.NotAStore}
    assert all(issubclass(getattr(errors, name), StoreError) for name in names)
    assert not issubclass(errors.OutcomeUnknown, StoreError)


def test_a_refusal_survives_the_way_to_another_process() -> None:
    there = pickle.loads(pickle.dumps(Rejected("no-funds", "The balance is 3.", balance=3)))  # noqa: S301 (our own)
    assert (there.reason, there.message, there.facts) == ("no-funds", "The balance is 3.", {"balance": 3})


def test_a_refusal_without_sentence_says_its_reason() -> None:
    refusal = Rejected("no-funds").recording("event-1", "event-2")
    assert (str(refusal), refusal.recorded) == ("no-funds", ("event-1", "event-2"))
