"""Backoff: doubling, bounded, drawn at random, and over after so many attempts."""

import random
from itertools import islice

from everfold.subscriptions.backoff import OUTAGE, POISON, Backoff


def test_pauses_double_up_to_their_bound() -> None:
    policy = Backoff(first=1.0, longest=5.0)
    for seed in range(50):
        for pause, bound in zip(policy.pauses(random.Random(seed)), [1, 2, 4, 5, 5, 5], strict=False):
            assert bound / 2 <= pause <= bound


def test_they_are_not_the_same_for_everybody() -> None:
    assert len({next(POISON.pauses(random.Random(seed))) for seed in range(20)}) > 10


def test_attempts_are_counted_with_the_first_one() -> None:
    rng = random.Random(1)
    assert [len(list(Backoff(first=1, longest=1, attempts=n).pauses(rng))) for n in (1, 2, 4)] == [0, 1, 3]
    assert len(list(islice(OUTAGE.pauses(rng), 1_000))) == 1_000
