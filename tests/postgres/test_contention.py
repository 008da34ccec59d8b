"""Sixteen processes that contend for streams and conditions: what each was told fits one order of all appends."""

from collections import Counter

from everfold.log.record import Record
from tests.postgres.conftest import BenchMaker

PROCESSES = 16
ROUNDS = 15


def test_sixteen_processes_are_told_what_fits_one_order(bench_at: BenchMaker, postgres_url: str) -> None:
    """A1 to A11, A13, A14: one winner per expected version, conditions hold, nothing is seen early or passed over."""
    bench = bench_at(postgres_url)
    names = [f"p{number}" for number in range(PROCESSES)]
    bench.follower("follower-1")
    for name in names:
        bench.writer(name, tasks=2, rounds=ROUNDS)
    bench.follower("follower-2")
    bench.await_end(*names)
    log = bench.finish()
    outcomes = Counter(each.outcome for tries in bench.history.tries.values() for each in tries)
    assert outcomes.keys() == {"stored", "conflict"}
    assert min(outcomes.values()) > PROCESSES
    assert contended(log) > PROCESSES


def contended(log: list[Record]) -> int:
    """How many records of the shared streams follow one of another process."""
    last: dict[str, str] = {}
    found = 0
    for record in log:
        if record.stream.startswith("shared"):
            found += last.get(record.stream, "") != (writer := record.id.partition(".")[0])
            last[record.stream] = writer
    return found
