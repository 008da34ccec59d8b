"""Ids and names: event ids that rise, stream names that follow the rules, and errors that name the rule."""

import re
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfold.errors import InvalidName
from everfold.identifiers import (
    IdSource,
    Position,
    Version,
    category_of,
    check_category,
    check_key,
    check_stream,
    check_text,
    is_event_id,
    kebab,
    key_of,
    key_text,
    snake,
    stable_id,
    stream_name,
)


def zeros(count: int) -> bytes:
    return bytes(count)


def ones(count: int) -> bytes:
    return b"\xff" * count


@pytest.mark.parametrize("entropy", [zeros, ones])
def test_ids_are_uuids_of_version_7_with_the_time_in_front(entropy: Callable[[int], bytes]) -> None:
    source = IdSource(lambda: 1_700_000_000_123_456, entropy)
    found = uuid.UUID(source.next())
    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert found.int >> 80 == 1_700_000_000_123


@given(st.lists(st.integers(0, 10**7), min_size=2, max_size=50), st.randoms())
def test_ids_rise_whatever_the_clock_does(times: list[int], chance: object) -> None:
    moments = iter(times)
    source = IdSource(lambda: next(moments))
    ids = [source.next() for _ in times]
    assert ids == sorted(set(ids))
    assert all(is_event_id(id) for id in ids)


def test_ids_rise_even_when_the_random_part_overflows() -> None:
    source = IdSource(lambda: 5_000, ones)
    ids = [source.next() for _ in range(3)]
    assert ids == sorted(set(ids))
    assert [uuid.UUID(id).int >> 80 for id in ids] == [5, 6, 7]


def test_ids_are_canonical_text_only() -> None:
    id = str(uuid.uuid4())
    assert is_event_id(id)
    for wrong in (id.upper(), id.replace("-", ""), "{" + id + "}", id + "\n", "", "g" + id[1:]):
        assert not is_event_id(wrong)


def test_stable_ids_are_the_same_for_the_same_name() -> None:
    assert (
        stable_id(uuid.NAMESPACE_URL, "a") == stable_id(uuid.NAMESPACE_URL, "a") != stable_id(uuid.NAMESPACE_URL, "b")
    )
    assert stable_id(uuid.NAMESPACE_URL, "a", place=1) != stable_id(uuid.NAMESPACE_URL, "a", place=2)


def test_stable_ids_are_uuids_that_lie_in_the_order_of_their_places() -> None:
    ids = [stable_id(uuid.NAMESPACE_URL, str(-place), place=place) for place in (0, 1, 9, 10, 4_000_000_000)]
    assert ids == sorted(ids)
    assert all(is_event_id(id) and uuid.UUID(id).version == 8 for id in ids)
    assert {uuid.UUID(id).variant for id in ids} == {uuid.RFC_4122}


@pytest.mark.parametrize("key", ["a1", "A-b-c", "x" * 200, "a.b_c~d:e@f+g=h$i,j", "-", "2030-01-01"])
def test_keys_that_are_fine(key: str) -> None:
    assert check_key(key) == key
    assert key_of(stream_name("account", key)) == key
    assert category_of(stream_name("account", key)) == "account"


@pytest.mark.parametrize(
    "key", ["", "a b", "a/b", "ü", "😀", "a\n", "a\0", "x" * 201, "k" * 10_000, "a%", "a'b", "\ud800"]
)
def test_keys_that_are_refused_with_the_rule(key: str) -> None:
    with pytest.raises(InvalidName, match=r"cannot be a key: a key has 1 to 200") as caught:
        check_key(key)
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("key", [7, None, b"a", uuid.NAMESPACE_URL])
def test_keys_that_are_no_text_are_refused(key: object) -> None:
    with pytest.raises(InvalidName, match=r"Convert it with str\(\)"):
        check_key(key)


def test_keys_of_other_types_become_text() -> None:
    id = uuid.uuid4()
    assert [key_text(value) for value in ("a1", 7, id)] == ["a1", "7", str(id)]
    for wrong in (None, True, 1.5):
        with pytest.raises(InvalidName, match="cannot be a key"):
            key_text(wrong)


@pytest.mark.parametrize("category", ["account", "a", "Order_line.v2", "a" * 60])
def test_categories_that_are_fine(category: str) -> None:
    assert check_category(category) == category


@pytest.mark.parametrize("category", ["", "1a", "_a", "a-b", "a b", "ä", "a" * 61])
def test_categories_that_are_refused(category: str) -> None:
    with pytest.raises(InvalidName, match="cannot be a category"):
        check_category(category)


def test_stream_names() -> None:
    assert check_stream("account-a-1") == "account-a-1"
    for wrong, rule in (("account", "category-key"), ("-a", "category"), ("account-", "key"), ("a b-c", "category")):
        with pytest.raises(InvalidName, match=rule):
            check_stream(wrong)


@given(st.text(max_size=30))
def test_a_checked_stream_is_put_together_again_from_its_parts(text: str) -> None:
    try:
        stream = check_stream(text)
    except InvalidName:
        return
    assert stream_name(category_of(stream), key_of(stream)) == stream


def test_free_text_has_no_control_characters_and_an_end() -> None:
    assert check_text("Ünï 😀 'x'", "a tag") == "Ünï 😀 'x'"
    for wrong in ("", "a\nb", "\x7f", "\u2028", "\ud800", "x" * 401):
        with pytest.raises(InvalidName, match="cannot be a tag: 1 to 400"):
            check_text(wrong, "a tag")
    with pytest.raises(InvalidName, match="1 to 5"):
        check_text("123456", "a name", limit=5)


@pytest.mark.parametrize(
    ("name", "dashed"),
    [
        ("MoneyDeposited", "money-deposited"),
        ("Money", "money"),
        ("HTTPServerStarted", "http-server-started"),
        ("Order2Placed", "order2-placed"),
        ("OrderX", "order-x"),
        ("order_placed", "order-placed"),
    ],
)
def test_default_names_from_class_names(name: str, dashed: str) -> None:
    assert kebab(name) == dashed
    assert snake(name) == dashed.replace("-", "_")
    assert not re.search(r"[A-Z]", kebab(name))


def test_positions_and_versions_are_whole_numbers() -> None:
    assert Position(3) + 1 == 4
    assert Version(2) == 2
