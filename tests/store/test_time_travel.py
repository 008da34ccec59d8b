"""Time travel: the state at a version, a position or a moment, and what is said when there is none."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import count
from typing import Any

import pytest

from everfold import NotFound, Position, Version
from everfold.clock import SystemClock
from everfold.errors import InvalidName
from tests.app.bank import Account, Open, Pay, PayTwice, bank
from tests.app.stores import StoreMaker, contents


class Ticking(SystemClock):
    """A second passes whenever the time is asked for."""

    def __init__(self) -> None:
        self._seconds = count(1_700_000_000)

    def micros(self) -> int:
        return next(self._seconds) * 1_000_000


async def test_every_version_of_the_past_can_be_looked_at(store: StoreMaker) -> None:
    async with bank(store) as app:
        for _ in range(5):
            await app.execute(Pay(account="a1", amount=1))
        for version in range(1, 6):
            assert (await app.load(Account, "a1", at=Version(version))).balance == version
        assert (await app.load(Account, "a1")).balance == 5


async def test_a_position_shows_the_aggregate_as_it_was_when_the_log_had_that_length(store: StoreMaker) -> None:
    async with bank(store) as app:
        for account in ("a1", "a2", "a1", "a2"):
            await app.execute(Pay(account=account, amount=1))
        balances = [(await app.load(Account, "a1", at=Position(at))).balance for at in (1, 2, 3, 4, 99)]
        assert balances == [1, 1, 2, 2, 2]
        assert (await app.load(Account, "a2", at=Position(2))).balance == 1


async def test_a_moment_shows_the_aggregate_as_it_was_recorded_by_then(store: StoreMaker) -> None:
    async with bank(store, clock=Ticking()) as app:
        for _ in range(4):
            await app.execute(Pay(account="a1", amount=1))
        for number, record in enumerate(await contents(app), start=1):
            elsewhere = record.time.astimezone(timezone(timedelta(hours=5)))
            assert (await app.load(Account, "a1", at=record.time)).balance == number
            assert (await app.load(Account, "a1", at=elsewhere + timedelta(microseconds=1))).balance == number
        assert (await app.load(Account, "a1", at=datetime(9999, 1, 1, tzinfo=UTC))).balance == 4


async def test_the_past_of_a_long_stream_is_found_across_pages(store: StoreMaker) -> None:
    async with bank(store) as app:
        for _ in range(3):
            await app.execute(PayTwice(account="a1", amounts=[1] * 700))
        for at in (Version(999), Version(1_000), Version(1_001), Position(1_500), Position(2_100)):
            assert (await app.load(Account, "a1", at=at)).balance == at


async def test_a_version_that_is_not_there_yet_is_not_found(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Pay(account="a1", amount=1))
        with pytest.raises(NotFound, match="It has 1 version"):
            await app.load(Account, "a1", at=Version(2))


async def test_before_the_first_event_there_is_no_aggregate(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Open(account="other"))
        done = await app.execute(Pay(account="a1", amount=1))
        first = (await contents(app))[1].time
        for at in (Version(0), Position(0), Position(done.position - 1), first - timedelta(seconds=1)):
            with pytest.raises(NotFound, match="No event was recorded for it by"):
                await app.load(Account, "a1", at=at)


async def test_an_aggregate_without_events_is_not_found(store: StoreMaker) -> None:
    async with bank(store) as app:
        with pytest.raises(NotFound, match=r"no Account 'a1'\. No event was recorded for it\."):
            await app.load(Account, "a1")


async def test_a_moment_without_a_time_zone_is_refused(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Pay(account="a1", amount=1))
        with pytest.raises(ValueError, match="no time zone"):
            await app.load(Account, "a1", at=datetime(2024, 1, 1))  # noqa: DTZ001 (that is the point)


@pytest.mark.parametrize("at", [1, 0, True, 1.5, "1", datetime(2024, 1, 1, tzinfo=UTC).date()])
async def test_what_is_neither_version_position_nor_moment_is_refused(store: StoreMaker, at: Any) -> None:
    async with bank(store) as app:
        await app.execute(Pay(account="a1", amount=1))
        with pytest.raises(TypeError, match="Give a Version, a Position"):
            await app.load(Account, "a1", at=at)


@pytest.mark.parametrize("key", ["", "a b", "a/b", "x" * 10_000, "\N{GRINNING FACE}", None, 1.5, True, b"a", []])
async def test_what_cannot_be_a_key_is_refused(store: StoreMaker, key: object) -> None:
    async with bank(store) as app:
        with pytest.raises(InvalidName, match="cannot be a key"):
            await app.load(Account, key)


async def test_a_loaded_state_is_a_copy_of_ones_own(store: StoreMaker) -> None:
    async with bank(store) as app:
        await app.execute(Pay(account="a1", amount=1))
        (await app.load(Account, "a1")).balance = 99
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 2
