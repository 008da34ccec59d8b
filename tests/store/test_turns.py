"""Turns: one after the other, in order of arrival, whatever happens to those who wait."""

from __future__ import annotations

import asyncio

import pytest

from everfold.store.turns import Turns


async def spin() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_turns_are_taken_in_order_of_arrival() -> None:
    turns, order = Turns(), list[int]()

    async def take(number: int) -> None:
        await turns.take()
        order.append(number)
        await asyncio.sleep(0)
        turns.give()

    await asyncio.gather(*(take(number) for number in range(5)))
    assert order == [0, 1, 2, 3, 4]
    assert not turns.is_taken


async def test_one_who_gave_up_waiting_is_passed_over() -> None:
    turns = Turns()
    await turns.take()
    impatient, patient = asyncio.create_task(turns.take()), asyncio.create_task(turns.take())
    await spin()
    impatient.cancel()
    await spin()
    turns.give()
    await patient
    turns.give()
    assert not turns.is_taken


async def test_one_who_is_cancelled_at_the_moment_of_the_turn_passes_it_on() -> None:
    turns = Turns()
    await turns.take()
    unlucky, lucky = asyncio.create_task(turns.take()), asyncio.create_task(turns.take())
    await spin()
    turns.give()  # it is the first one's now, who has not woken up yet
    unlucky.cancel()
    with pytest.raises(asyncio.CancelledError):
        await unlucky
    await lucky
