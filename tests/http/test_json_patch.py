"""JSON patches: applied in their order they make the one value of the other, and the difference is small."""

import copy
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfold.http.json_patch import PatchStep, json_patch

scalars = st.none() | st.booleans() | st.integers(-2, 2) | st.sampled_from([0.0, 1.0, 0.5]) | st.sampled_from("ab/~")
names = st.sampled_from(["a", "b", "", "0", "~", "/", "~1", "a/b"])
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=4), max_leaves=12
)


def apply(value: Any, steps: list[PatchStep]) -> Any:
    """What a reader of the patch does (RFC 6902)."""
    value = copy.deepcopy(value)
    for step in steps:
        if not step.path:
            value = step.value
            continue
        *path, last = [part.replace("~1", "/").replace("~0", "~") for part in step.path.split("/")[1:]]
        place: Any = value
        for part in path:
            place = place[int(part) if isinstance(place, list) else part]
        if isinstance(place, list):
            _apply_to_list(place, int(last), step)  # pyright: ignore[reportUnknownArgumentType]
        elif step.op == "remove":
            del place[last]
        else:
            assert (last in place) == (step.op == "replace")
            place[last] = step.value
    return value


def _apply_to_list(place: list[Any], number: int, step: PatchStep) -> None:
    if step.op == "remove":
        del place[number]
    elif step.op == "add":
        assert number <= len(place)
        place.insert(number, step.value)
    else:
        place[number] = step.value


def text(value: Any) -> bytes:
    """Tells true from 1, and 1 from 1.0; not the order of members."""
    return msgspec.json.encode(value, order="deterministic")


@given(values, values)
def test_a_patch_makes_the_one_of_the_other(before: Any, after: Any) -> None:
    assert text(apply(before, json_patch(before, after))) == text(after)


@given(values)
def test_nothing_changed_is_no_step(value: Any) -> None:
    assert json_patch(value, copy.deepcopy(value)) == []


@pytest.mark.parametrize(
    ("before", "after", "steps"),
    [
        ({"a": 1}, {"a": 2}, [{"op": "replace", "path": "/a", "value": 2}]),
        ({"a": 1}, {}, [{"op": "remove", "path": "/a"}]),
        ({}, {"a": None}, [{"op": "add", "path": "/a", "value": None}]),
        ({"a/b~": 1}, {"a/b~": 2}, [{"op": "replace", "path": "/a~1b~0", "value": 2}]),
        ([1, 2, 3], [1, 2, 3, 4], [{"op": "add", "path": "/3", "value": 4}]),
        ([1, 2, 3], [2, 3], [{"op": "remove", "path": "/0"}]),
        ([{"q": 1}, {"q": 2}], [{"q": 1}, {"q": 3}], [{"op": "replace", "path": "/1/q", "value": 3}]),
        ({"a": [True]}, {"a": [1]}, [{"op": "replace", "path": "/a/0", "value": 1}]),
        (1, [1], [{"op": "replace", "path": "", "value": [1]}]),
    ],
)
def test_a_patch_says_no_more_than_what_changed(before: Any, after: Any, steps: Any) -> None:
    assert msgspec.json.decode(msgspec.json.encode(json_patch(before, after))) == steps
