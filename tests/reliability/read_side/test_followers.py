"""Promise 3 for subscriptions: followers at the tail, while several processes write. A9, A10, A11, A14."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Generator, Sequence
from pathlib import Path

import pytest

from everfold.engines.sqlite.engine import SqliteEngine
from everfold.log.record import NewRecord, Record
from everfold.log.selection import EVERYTHING, Selection
from everfold.log.write import Failed, StreamAppend, Write
from everfold.subscriptions.follow import follow
from everfold.testing.contracts.engine_case import stored, to_stream, whole_log
from tests.reliability.read_side.forks import Fork, Forks, forking
from tests.reliability.read_side.ledger import UNLUCKY
from tests.reliability.read_side.sequences import NAIVE, Eavesdropper, anomalies

WRITING = 3
COUNT = 120
LIMIT = 60
PAIDS = Selection(types=("paid",))


@pytest.fixture
def forks() -> Generator[Forks]:
    with forking() as found:
        yield found


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncGenerator[SqliteEngine]:
    engine = SqliteEngine(tmp_path / "ledger.db")
    await engine.open()
    yield engine
    await engine.close()


async def to_the_end(engine: SqliteEngine, writers: Sequence[Fork]) -> int:
    """Wait until the writers have ended; the last position."""
    for writer in writers:
        await asyncio.to_thread(writer.until, "done")
    return await engine.wait(-1)


async def followed(
    engine: SqliteEngine, ended: "asyncio.Task[int]", selection: Selection = EVERYTHING, *, restarts: float = 0.0
) -> list[Record]:
    """All that a follower is given; ``restarts``: how likely it begins anew behind a span, from where it was."""
    seen: list[Record] = []
    position, chance = 0, random.Random(1)
    while not ended.done() or position < ended.result():
        spans = follow(engine, selection, after=position, ends_in_merge=lambda _: False, page=7, patience=0.05)
        async for span in spans:
            assert position <= span.position <= span.head
            assert all(position < record.position <= span.position for record in span.records)
            seen += span.records
            position = span.position
            if chance.random() < restarts or (ended.done() and position >= ended.result()):
                break
        await spans.aclose()
    return seen


async def test_followers_see_the_log_once_and_in_order_while_processes_write(
    engine: SqliteEngine, forks: Forks, tmp_path: Path
) -> None:
    """A9, A10, A11, A14: from the beginning, with restarts, from one category only; some writes are refused."""
    store = str(tmp_path / "ledger.db")
    writers = [forks.start("append-inline", store=store, seed=seed, count=COUNT) for seed in range(WRITING)]
    ended = asyncio.create_task(to_the_end(engine, writers))
    async with asyncio.timeout(LIMIT):
        everything, restarted, paid = await asyncio.gather(
            followed(engine, ended), followed(engine, ended, restarts=0.3), followed(engine, ended, PAIDS)
        )
    log = await whole_log(engine)
    assert len(log) > WRITING * COUNT / 2
    assert anomalies(everything, log) == set()
    assert anomalies(restarted, log) == set()
    assert paid == [record for record in log if record.type == "paid"]
    assert UNLUCKY not in {json.loads(record.data)["amount"] for record in paid}, "a refused payment was stored"


@pytest.mark.parametrize("anomaly", NAIVE)
async def test_the_check_is_able_to_fail_for_naive_followers(engine: SqliteEngine, anomaly: str) -> None:
    for batch in range(3):
        records = tuple(NewRecord("paid", 1, f"{batch}.{number}", "{}") for number in range(10))
        await stored(engine, Write(appends=(StreamAppend("account-a", records),)))
    seen = [record async for page in NAIVE[anomaly](engine) for record in page]
    assert anomaly in anomalies(seen, await whole_log(engine))


async def test_the_check_is_able_to_fail_for_one_that_listens_before_the_commit(engine: SqliteEngine) -> None:
    """A11."""
    eavesdropper = Eavesdropper("refused")
    engine.hook(eavesdropper)
    await stored(engine, to_stream("account-a"))
    refused = Write(appends=(StreamAppend("account-a", (NewRecord("refused", 1, "r", "{}"),)),))
    (outcome,) = await engine.append([refused])
    assert isinstance(outcome, Failed)
    engine.hook(None)
    assert anomalies(eavesdropper.seen, await whole_log(engine)) == {"A11"}


async def test_what_is_committed_between_the_first_read_and_the_wait_comes_at_once(engine: SqliteEngine) -> None:
    """A14: and not only with the next event. The other engine stands for another process."""
    other = SqliteEngine(engine.path)
    await other.open()
    spans = follow(engine, EVERYTHING, after=0, ends_in_merge=lambda _: False)  # without patience: it only waits
    async with asyncio.timeout(LIMIT):
        for number in range(20):
            await stored(other, to_stream(f"account-{number}"))
            span = await anext(spans)
            assert [record.position for record in span.records] == [number + 1]
    await spans.aclose()
    await other.close()
