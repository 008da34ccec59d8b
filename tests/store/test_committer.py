"""Group commit: who shares a batch, and what each caller is told."""

from __future__ import annotations

import asyncio

import pytest

from everfold.errors import OutcomeUnknown, StoreClosed, StoreError, StoreFull
from everfold.log.record import NewRecord
from everfold.log.write import Appended, Conflicted, StreamAppend, Write
from everfold.store.committer import Committer, was_committing
from tests.app.stores import Watched

ids = iter(range(10**9))


def write(stream: str = "s-1", *, expected: int | None = None, id: str | None = None, data: str = "{}") -> Write:
    record = NewRecord("happened", 1, id or f"id-{next(ids)}", data)
    return Write(appends=(StreamAppend(stream, (record,), expected),))


@pytest.fixture
async def engine(watched: Watched) -> Watched:
    await watched.open()
    return watched


async def spin(turns: int = 5) -> None:
    """Let every task that is ready run."""
    for _ in range(turns):
        await asyncio.sleep(0)


def shut_down() -> None:
    """What a loop does to the committer when it shuts down."""
    (task,) = [task for task in asyncio.all_tasks() if task.get_name() == "everfold-committer"]
    task.cancel()


async def test_callers_that_are_ready_together_share_one_engine_call(engine: Watched) -> None:
    committer = Committer(engine)
    outcomes = await asyncio.gather(*(committer.commit(write(f"s-{number}")) for number in range(100)))
    assert engine.batches == [100]
    assert sorted(outcome.first for outcome in outcomes if isinstance(outcome, Appended)) == list(range(1, 101))


async def test_what_arrives_during_a_commit_goes_into_the_next_one(engine: Watched) -> None:
    committer, engine.is_held = Committer(engine), True
    first = asyncio.create_task(committer.commit(write()))
    await engine.arrival()
    later = [asyncio.create_task(committer.commit(write())) for _ in range(7)]
    await spin()
    assert engine.batches == [1]
    engine.let_go.set()
    await asyncio.gather(first, *later)
    assert engine.batches == [1, 7]


async def test_a_batch_holds_few_large_writes(engine: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everfold.store.committer.MAX_BATCH_CHARACTERS", 1_000)
    committer = Committer(engine)
    large = [write(data='{"text":"' + "x" * 600 + '"}') for _ in range(5)]
    outcomes = await asyncio.gather(*(committer.commit(each) for each in [*large, *[write() for _ in range(9)]]))
    assert all(isinstance(outcome, Appended) for outcome in outcomes)
    assert engine.batches == [2, 2, 10]


@pytest.mark.parametrize("turns", [0, 1])
async def test_who_goes_on_after_a_batch_joins_those_who_waited_for_it(engine: Watched, turns: int) -> None:
    committer, engine.is_held = Committer(engine), True

    async def go_on() -> None:
        await committer.commit(write())
        await spin(turns)  # as when the next request has to be read first
        await committer.commit(write())

    going_on = [asyncio.create_task(go_on()) for _ in range(3)]
    await engine.arrival()
    waiting = [asyncio.create_task(committer.commit(write())) for _ in range(4)]
    await spin()
    engine.let_go.set()
    await asyncio.gather(*going_on, *waiting)
    assert engine.batches == [3, 7]


async def test_a_batch_is_bounded(engine: Watched) -> None:
    committer = Committer(engine, max_batch=3)
    await asyncio.gather(*(committer.commit(write()) for _ in range(8)))
    assert engine.batches == [3, 3, 2]


async def test_an_idle_committer_writes_at_once_and_uses_no_timer(
    engine: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_timer(*_: object, **__: object) -> None:
        raise AssertionError("a timer was set")

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "call_later", no_timer)
    monkeypatch.setattr(loop, "call_at", no_timer)
    committer = Committer(engine)
    for expected in range(3):
        outcome = await committer.commit(write(expected=expected))
        assert isinstance(outcome, Appended)
    assert engine.batches == [1, 1, 1]


async def test_one_conflict_fails_one_append(engine: Watched) -> None:
    committer = Committer(engine)
    outcomes = await asyncio.gather(
        committer.commit(write(expected=0)), committer.commit(write(expected=0)), committer.commit(write(expected=1))
    )
    assert engine.batches == [3]
    assert [type(outcome) for outcome in outcomes] == [Appended, Conflicted, Appended]


async def test_a_write_that_cannot_be_stored_fails_alone(engine: Watched) -> None:
    committer = Committer(engine)
    await committer.commit(write(id="same"))
    outcomes = await asyncio.gather(
        committer.commit(write(id="same")), committer.commit(write()), return_exceptions=True
    )
    assert isinstance(outcomes[0], StoreError)
    assert isinstance(outcomes[1], Appended)


async def test_an_engine_error_reaches_everybody_in_the_batch_and_nobody_else(engine: Watched) -> None:
    committer = Committer(engine)
    engine.failures.append(StoreFull("The disk is full."))
    outcomes = await asyncio.gather(*(committer.commit(write()) for _ in range(4)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreFull] * 4
    assert isinstance(await committer.commit(write()), Appended)


async def test_a_caller_cancelled_before_the_hand_over_has_stored_nothing(engine: Watched) -> None:
    committer, engine.is_held = Committer(engine), True
    first = asyncio.create_task(committer.commit(write("s-1")))
    await engine.arrival()
    waiting = asyncio.create_task(committer.commit(write("s-2")))
    await spin()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await waiting
    assert not was_committing(cancelled.value)
    engine.let_go.set()
    await first
    await committer.close()
    assert await engine.read_stream("s-2", limit=1) == []


async def test_a_caller_cancelled_after_the_hand_over_leaves_the_write_to_the_store(engine: Watched) -> None:
    committer, engine.is_held = Committer(engine), True
    leaving = asyncio.create_task(committer.commit(write("s-1")))
    staying = asyncio.create_task(committer.commit(write("s-2")))
    await engine.arrival()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError) as cancelled:
        await leaving
    assert was_committing(cancelled.value)
    engine.let_go.set()
    assert isinstance(await staying, Appended)
    assert len(await engine.read_stream("s-1", limit=9)) == 1


async def test_a_failed_commit_is_told_to_those_who_still_wait(engine: Watched) -> None:
    committer, engine.is_held = Committer(engine), True
    engine.failures.append(StoreFull("The disk is full."))
    leaving = asyncio.create_task(committer.commit(write()))
    staying = asyncio.create_task(committer.commit(write()))
    await engine.arrival()
    leaving.cancel()
    await spin()
    engine.let_go.set()
    outcomes = await asyncio.gather(leaving, staying, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [asyncio.CancelledError, StoreFull]


async def test_closing_finishes_what_was_accepted_and_refuses_the_rest(engine: Watched) -> None:
    committer, engine.is_held = Committer(engine), True
    accepted = asyncio.create_task(committer.commit(write("s-1")))
    await engine.arrival()
    queued = asyncio.create_task(committer.commit(write("s-1")))
    await spin()
    closing = asyncio.create_task(committer.close())
    await spin()
    with pytest.raises(StoreClosed, match="Nothing was stored"):
        await committer.commit(write())
    engine.let_go.set()
    await closing
    assert isinstance(await accepted, Appended)
    assert isinstance(await queued, Appended)
    await committer.close()  # once more is fine


async def test_when_the_loop_shuts_down_nobody_waits_for_ever(engine: Watched) -> None:
    committer, engine.is_held = Committer(engine), True
    handed_over = asyncio.create_task(committer.commit(write()))
    await engine.arrival()
    waiting, gone = asyncio.create_task(committer.commit(write())), asyncio.create_task(committer.commit(write()))
    await spin()
    gone.cancel()
    shut_down()
    outcomes = await asyncio.gather(handed_over, waiting, gone, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [OutcomeUnknown, StoreClosed, asyncio.CancelledError]


async def test_when_the_loop_shuts_down_between_two_batches_nobody_waits_either(engine: Watched) -> None:
    committer = Committer(engine)
    await committer.commit(write())
    waiting = asyncio.create_task(committer.commit(write()))
    await spin(1)
    shut_down()
    with pytest.raises(StoreClosed, match="Nothing was stored"):
        await asyncio.wait_for(waiting, 30)
    assert engine.batches == [1]


def test_only_a_cancellation_of_the_committer_counts_as_committing() -> None:
    assert not was_committing(None)
    assert not was_committing(ValueError())
