"""Ambient metadata: given by a block, carried from task to task, and storable."""

import asyncio
import math
from datetime import datetime
from typing import Any

import pytest

from everfold import Metadata, metadata
from everfold.codec.metadata import NO_METADATA, current_metadata, encode_metadata, reset_metadata, set_metadata
from everfold.errors import CodecError


def test_blocks_add_to_what_is_around_them() -> None:
    with metadata(actor="ann", shop="Bath") as outer:
        assert outer == Metadata(actor="ann", user={"shop": "Bath"})
        with metadata(tenant="t1", correlation_id="c", causation_id="a", traceparent="00-1", till=3):
            inner = current_metadata()
        assert current_metadata() == outer
    assert inner == Metadata(
        actor="ann",
        tenant="t1",
        correlation_id="c",
        causation_id="a",
        traceparent="00-1",
        user={"shop": "Bath", "till": 3},
    )
    assert current_metadata() is NO_METADATA


def test_an_error_ends_the_block() -> None:
    with pytest.raises(ZeroDivisionError), metadata(actor="ann"):
        raise ZeroDivisionError
    assert current_metadata() is NO_METADATA


async def test_tasks_inherit_it_and_do_not_leak_it() -> None:
    async def acting(name: str) -> str | None:
        with metadata(actor=name):
            await asyncio.sleep(0)
            return current_metadata().actor

    with metadata(tenant="t1"):
        actors = await asyncio.gather(*(acting(name) for name in "ab"))
        assert current_metadata() == Metadata(tenant="t1")
    assert actors == ["a", "b"]


def test_it_can_be_replaced_as_a_whole() -> None:
    token = set_metadata(Metadata(actor="x"))
    assert current_metadata().actor == "x"
    reset_metadata(token)
    assert current_metadata() is NO_METADATA


def test_only_what_is_given_is_stored() -> None:
    assert encode_metadata(NO_METADATA) == "{}"
    assert encode_metadata(Metadata(actor="ann", user={"till": 3})) == '{"actor":"ann","user":{"till":3}}'


@pytest.mark.parametrize("value", [object(), math.nan, {1, 2}, datetime.now(), "\ud800", 2**70])  # noqa: DTZ005 (naive)
def test_what_cannot_be_stored_is_refused_at_once(value: object) -> None:
    problem = r"The metadata cannot be stored: .* Give text, numbers and other JSON values"
    with pytest.raises(CodecError, match=problem), metadata(note=value):
        raise AssertionError


def test_known_fields_are_text() -> None:
    wrong: Any = 5
    with pytest.raises(CodecError, match=r"Expected `str | null`, got `int`"), metadata(actor=wrong):
        raise AssertionError
