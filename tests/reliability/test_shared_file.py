"""Several processes on one file: nobody is told that it is busy, nobody overtakes, everybody is woken."""

import asyncio
import signal
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from everfold.engines.sqlite.engine import SqliteEngine
from everfold.errors import StoreBusy
from everfold.log.record import Record
from everfold.log.selection import EVERYTHING
from everfold.log.write import Appended
from everfold.testing.contracts.engine_case import one, stored, to_stream, whole_log
from tests.reliability.evidence import Evidence, check_store
from tests.reliability.processes import Process
from tests.reliability.writer_process import ROUNDS, WRITERS

WRITING = 3


@contextmanager
def running(role: str, store: Path, *, count: int) -> Generator[list[Process]]:
    """This many processes that begin at the same time."""
    with ExitStack() as stack:
        processes = [stack.enter_context(Process(role, store, f"p{number}")) for number in range(count)]
        for process in processes:
            process.until("ready")
        for process in processes:
            process.go()
        yield processes


async def follow(engine: SqliteEngine, until: asyncio.Event) -> list[Record]:
    """Read at the tail, woken by commits of other processes, until the event and the end."""
    seen: list[Record] = []
    while True:
        last_look = until.is_set()
        head = await engine.wait(len(seen), timeout=0.2)
        while len(seen) < head:
            seen.extend(await engine.read(EVERYTHING, after=len(seen), limit=500))
        if last_look:
            return seen


async def test_processes_that_write_at_once_are_never_told_that_the_file_is_busy(tmp_path: Path) -> None:
    """Promises 3 and 4 (A6, A9, A14): one winner per version, no gap, and a reader here that sees it all in order."""
    store, evidence, ended = tmp_path / "log.db", Evidence(), asyncio.Event()
    engine = SqliteEngine(store)
    await engine.open()
    following = asyncio.create_task(follow(engine, ended))
    with running("some", store, count=WRITING) as processes:
        for process in processes:
            evidence.add(await asyncio.to_thread(process.listen_to_the_end))
            assert process.reports[-1] == ["closed"]
    ended.set()
    seen = await following
    await engine.close()
    assert evidence.errors == []
    assert len(evidence.stored) + len(evidence.refused) == WRITING * WRITERS * ROUNDS
    assert evidence.refused
    assert seen == await check_store(store, evidence)


async def test_a_new_file_may_be_opened_by_eight_processes_at_once(tmp_path: Path) -> None:
    """Promise 8 at its beginning: one of them creates the store, and the others find it."""
    with running("open", tmp_path / "log.db", count=8) as processes:
        reports = [await asyncio.to_thread(process.listen_to_the_end) for process in processes]
    assert [report[1:] for report in reports] == [[["opened", 0]]] * 8


async def test_a_process_halted_with_the_locks_delays_others_and_hides_nothing(tmp_path: Path) -> None:
    """Promises 3 and 7 (A9, A11): the others are refused for certain, and go on when it goes on."""
    engine = SqliteEngine(tmp_path / "log.db", lock_timeout=0.1)
    await engine.open()
    await stored(engine, to_stream("thing-a"))
    with running("halt", tmp_path / "log.db", count=1) as (halted,):
        halted.until("halted")
        halted.signal(signal.SIGSTOP)
        with pytest.raises(StoreBusy, match="Nothing was stored"):
            await engine.append([to_stream("thing-b")])
        assert [record.stream for record in await whole_log(engine)] == ["thing-a"]
        assert await engine.wait(1, timeout=0.05) == 1
        waiting = asyncio.create_task(engine.wait(1))
        halted.signal(signal.SIGCONT)
        halted.go()
        halted.until("stored")
        assert await waiting == 2
        assert isinstance(await append_patiently(engine), Appended)
    assert [record.stream for record in await whole_log(engine)] == ["thing-a", "thing-halted", "thing-c"]
    await engine.close()


async def append_patiently(engine: SqliteEngine) -> object:
    """Append as soon as the other process has let go of the lock."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return await one(engine, to_stream("thing-c"))
        except StoreBusy:
            assert time.monotonic() < deadline


async def test_closing_while_another_process_keeps_the_lock_still_closes(tmp_path: Path) -> None:
    """Promise 1 at the edges: `close` releases everything, whatever others do."""
    engine = SqliteEngine(tmp_path / "log.db", lock_timeout=0.05)
    await engine.open()
    await stored(engine, to_stream("thing-a"))
    with running("halt", tmp_path / "log.db", count=1) as (halted,):
        halted.until("halted")
        await engine.close()
        halted.go()
        halted.until("stored")
    await engine.open()
    assert [record.stream for record in await whole_log(engine)] == ["thing-a", "thing-halted"]
    await engine.close()
