"""The clock: real time in whole microseconds, and moments that survive the way there and back."""

import time
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfold.clock import Clock, SystemClock, from_micros, to_micros


async def test_the_system_clock_tells_the_time() -> None:
    clock: Clock = SystemClock()
    before = time.time_ns() // 1000
    assert before <= clock.micros() <= time.time_ns() // 1000
    start = clock.monotonic()
    await clock.sleep(0)
    assert clock.monotonic() >= start


@given(st.datetimes(timezones=st.just(UTC)))
def test_moments_survive_the_way_there_and_back(moment: datetime) -> None:
    assert from_micros(to_micros(moment)) == moment


def test_moments_before_1970_and_in_other_zones() -> None:
    assert to_micros(datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC)) == -1
    assert to_micros(datetime(1970, 1, 1, 2, tzinfo=timezone(timedelta(hours=2)))) == 0


def test_a_naive_datetime_names_no_moment() -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        to_micros(datetime(2030, 1, 1))  # noqa: DTZ001 (on purpose)
