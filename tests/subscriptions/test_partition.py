"""Parts of a consumer: which streams each has, for ever, and how many of them one process may run."""

from __future__ import annotations

import pytest

from everfold.log.engine import Engine
from everfold.log.record import Record
from everfold.subscriptions.bookkeeping import execute
from everfold.subscriptions.lease import Leases
from everfold.subscriptions.partition import Membership, Part
from everfold.testing import FrozenClock


def record(stream: str) -> Record:
    return Record(1, stream, 1, "opened", 1, "id", 0, "{}")


@pytest.mark.parametrize("parts", [1, 2, 3, 16])
def test_every_stream_belongs_to_exactly_one_part(parts: int) -> None:
    counts = [0] * parts
    for number in range(1_000):
        owners = [part for part in range(parts) if Part(part, parts).has(record(f"account-k{number}"))]
        assert len(owners) == 1
        counts[owners[0]] += 1
    assert min(counts) > 1_000 / parts * 0.6


def test_where_a_stream_belongs_never_changes_between_releases() -> None:
    """Positions of parts are kept on disk: a stream that moved to another part would be skipped or repeated."""
    assert [
        next(part for part in range(8) if Part(part, 8).has(record(stream)))
        for stream in ("account-a1", "account-a2", "order-2026-11-21", "course-c7")
    ] == [7, 5, 4, 0]


def test_the_bookkeeping_numbers_of_all_parts_of_all_sizes_differ() -> None:
    numbers = [Part(number, of).build for of in (1, 2, 3, 999) for number in range(of)]
    assert len(set(numbers)) == len(numbers)


async def test_the_share_of_a_process_follows_from_how_many_there_are(engine: Engine) -> None:
    database, clock = engine.beside, FrozenClock()

    def member(owner: str, consumer: str = "mails") -> Membership:
        leases = Leases(database, owner=owner, seconds=10, clock=clock)
        return Membership(consumer, 5, database=database, leases=leases, clock=clock)

    one, other = member("one"), member("other")
    assert one.share == 0  # it has not counted yet
    await one.renew()
    assert one.share == 5
    await member("third", "mail_").renew()  # of another consumer, whose name is alike
    await other.renew()
    await one.renew()
    assert (one.share, other.share) == (3, 3)

    clock.advance(8)
    await one.renew()
    clock.advance(8)  # the other has been silent for too long
    await one.renew()
    assert one.share == 5
    await other.renew()  # it comes back
    assert other.share == 3
    await one.leave()
    await other.renew()
    assert other.share == 5
    name, dialect = "member of mails one", database.dialect
    assert await database.read(lambda c: execute(c, dialect, "read_lease", name=name).fetchall()) == []
