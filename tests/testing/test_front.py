"""``everfold.testing``: its names are there, and nothing else is imported for them."""

import pytest

import everfold.testing


@pytest.mark.parametrize("name", everfold.testing.__all__)
def test_every_name_is_there(name: str) -> None:
    assert getattr(everfold.testing, name).__name__ == name


def test_other_names_are_not() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        everfold.testing.nonsense  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
