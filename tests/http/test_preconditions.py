"""Headers that say what must hold."""

import pytest
from starlette.datastructures import Headers

from everfold.errors import MalformedRequest
from everfold.http.preconditions import expected_version, idempotency_key, is_known, version_tag, wanted_position


@pytest.mark.parametrize(
    ("headers", "version"),
    [({}, None), ({"if-match": '"3"'}, 3), ({"if-match": ' "0" '}, 0), ({"if-none-match": "*"}, 0)],
)
def test_the_expected_version(headers: dict[str, str], version: int | None) -> None:
    assert expected_version(Headers(headers)) == version


@pytest.mark.parametrize(
    "headers",
    [
        {"if-match": "3"},
        {"if-match": ""},
        {"if-match": "*"},
        {"if-match": 'W/"3"'},
        {"if-match": '"-1"'},
        {"if-match": '"٣"'},
        {"if-match": f'"{"9" * 19}"'},
        {"if-match": '"1", "2"'},
        {"if-none-match": '"3"'},
        {"if-match": '"3"', "if-none-match": "*"},
    ],
)
def test_what_is_no_version_is_refused(headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    with pytest.raises(MalformedRequest, match="If-"):
        expected_version(Headers(raw=raw))


def test_a_tag_is_what_is_expected_later() -> None:
    assert expected_version(Headers({"if-match": version_tag(7)})) == 7


@pytest.mark.parametrize(("given", "key"), [("abc", "abc"), ('"abc"', "abc"), (" a b ", "a b"), ('"', '"')])
def test_the_idempotency_key(given: str, key: str) -> None:
    assert idempotency_key(Headers({"idempotency-key": given})) == key


@pytest.mark.parametrize("given", ["", "  ", '""'])
def test_an_empty_idempotency_key_is_refused(given: str) -> None:
    with pytest.raises(MalformedRequest, match="Idempotency-Key is empty"):
        idempotency_key(Headers({"idempotency-key": given}))


def test_a_position_is_a_number() -> None:
    assert wanted_position(Headers({"everfold-after": " 17 "})) == 17
    assert wanted_position(Headers({})) is None


@pytest.mark.parametrize("given", ["", "-1", "1.5", "x", "9" * 19, "1e3", "+1"])
def test_what_is_no_position_is_refused(given: str) -> None:
    with pytest.raises(MalformedRequest, match="Everfold-After"):
        wanted_position(Headers({"everfold-after": given}))


@pytest.mark.parametrize(
    ("given", "known"),
    [('W/"a"', True), ('"a"', True), ('W/"b", W/"a"', True), ('W/"b"', False), ("a", False), ("", False)],
)
def test_a_tag_is_known(given: str, known: bool) -> None:
    assert is_known(Headers({"if-none-match": given}), 'W/"a"') is known


def test_nothing_is_known_without_a_tag() -> None:
    assert not is_known(Headers({}), 'W/"a"')
    assert not is_known(Headers({"if-none-match": 'W/"a"'}), None)
