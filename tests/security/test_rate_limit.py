"""Token buckets: so many at once, so many a second, each caller for itself, and bounded memory."""

from everfold.security import rate_limit
from everfold.security.rate_limit import RateLimit


class Now:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_burst_and_then_the_rate() -> None:
    now = Now()
    limit = RateLimit(10, now=now)
    assert [limit.take("a") for _ in range(20)] == [0.0] * 20
    assert round(limit.take("a"), 9) == 0.1
    now.seconds += 0.05
    assert round(limit.take("a"), 9) == 0.05
    now.seconds += 0.05
    assert limit.take("a") == 0.0
    assert limit.take("a") > 0
    assert limit.take("b") == 0.0


def test_over_a_long_time_the_rate_holds() -> None:
    now = Now()
    limit = RateLimit(4, now=now)
    taken = 0
    for _ in range(10_000):
        now.seconds += 0.01
        taken += limit.take("a") == 0.0
    assert 407 <= taken <= 408


def test_a_slow_rate_lets_one_through() -> None:
    now = Now()
    limit = RateLimit(0.1, now=now)
    assert limit.take("a") == 0.0
    assert round(limit.take("a"), 6) == 10
    now.seconds += 10
    assert limit.take("a") == 0.0


def test_waiting_counts_nothing() -> None:
    limit = RateLimit(1, now=Now())
    assert [limit.wait("a") for _ in range(9)] == [0.0] * 9
    limit.take("a")
    limit.take("a")
    assert limit.wait("a") == 1.0


def test_callers_without_end() -> None:
    now = Now()
    limit = RateLimit(1, now=now)
    for number in range(rate_limit.MOST_CALLERS * 3):
        now.seconds += 1e-6
        assert limit.take(f"{number}") == 0.0
    assert len(limit._buckets) <= rate_limit.MOST_CALLERS  # pyright: ignore[reportPrivateUsage]
    last = f"{rate_limit.MOST_CALLERS * 3 - 1}"
    limit.take(last)
    assert limit.take(last) > 0
