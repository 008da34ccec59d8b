"""The blocking facade: the same app for threads, scripts and notebooks."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from everfold import App, Command, Envelope, Next, NotFound, Query, Rejected, Selection, Version, metadata
from everfold.app.blocking import BlockingApp
from everfold.errors import DefinitionError, InvalidMessage, StoreClosed, StoreUnavailable, TimedOut
from tests.app.bank import Account, Open, Pay, PayTwice
from tests.app.stores import StoreMaker, Watched


class Owner(Query[str]):
    account: str


class Do(Command):
    pass


def bank(store: Any, work: Callable[[], object] = lambda: None, **options: Any) -> App:
    app = App("bank", Account, store=store, **options)

    @app.answers(Owner)
    async def owner(query: Owner) -> str:
        return (await app.load(Account, query.account)).owner

    @app.handles(Do)
    def do(command: Do) -> object:
        return work()

    return app


def threads_of_everfold() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("everfold")}


def test_an_app_can_be_used_without_async(store: StoreMaker) -> None:
    with bank(store()).blocking() as app:
        opened = app.execute(Open(account="a1", owner="Bob"))
        assert opened.version == 1
        assert app.ask(Owner(account="a1")) == "Bob"
        first = app.execute(Pay(account="a1", amount=3), idempotency_key="k1")
        assert first.reply == app.execute(Pay(account="a1", amount=3), idempotency_key="k1").reply
        assert app.load(Account, "a1").balance == 3
        assert app.load(Account, "a1", at=Version(1)).balance == 0
        assert [record.type for _, record in app.read()] == ["opened", "paid"]
        assert [record.version for _, record in app.read(Selection(types=("paid",)), after=1, until=2)] == [2]


def test_reading_fetches_page_by_page_and_may_stop_early(store: StoreMaker) -> None:
    with bank(store()).blocking() as app:
        app.execute(PayTwice(account="a1", amounts=[1] * 1_200))
        assert sum(1 for _ in app.read()) == 1_200
        reading = app.read()
        assert next(reading)[1].position == 1
        del reading
        app.execute(PayTwice(account="a1", amounts=[1] * 300))
        assert sum(1 for _ in app.read()) == 1_500


def test_errors_keep_their_type(store: StoreMaker) -> None:
    with bank(store()).blocking() as app:
        app.execute(Open(account="a1"))
        with pytest.raises(Rejected) as refusal:
            app.execute(Open(account="a1"))
        assert refusal.value.facts == {"owner": "Ann"}
        with pytest.raises(InvalidMessage):
            app.execute(Pay(account="a1", amount=0))
        with pytest.raises(NotFound):
            app.load(Account, "a9")


def test_threads_share_the_commits() -> None:
    engine, threads, all_are_here = Watched(), 30, asyncio.Event()
    sent = iter(range(1, threads + 1))

    def count(envelope: Envelope, next_link: Next) -> Awaitable[Any]:
        if next(sent) == threads:
            all_are_here.set()
        return next_link(envelope)

    async def let_go_when_all_wait() -> None:
        async with asyncio.timeout(30):
            await all_are_here.wait()
        for _ in range(50):
            await asyncio.sleep(0)
        engine.let_go.set()

    with bank(engine, middlewares=[count]).blocking() as app:
        engine.is_held = True
        with ThreadPoolExecutor(threads) as pool:
            paid = [pool.submit(app.execute, Pay(account=f"a{number}", amount=1)) for number in range(threads)]
            app.call(let_go_when_all_wait())
            assert [each.result().reply for each in paid] == [1] * threads
        assert sum(engine.batches) == threads
        assert len(engine.batches) == 2


def test_the_metadata_of_a_thread_goes_along(store: StoreMaker) -> None:
    with bank(store()).blocking() as app:

        def pay(actor: str) -> None:
            with metadata(actor=actor):
                app.execute(Pay(account=actor, amount=1))

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(pay, [f"actor-{number}" for number in range(16)]))
        records = [record for _, record in app.read()]
        assert len(records) == 16
        assert all(record.metadata.actor == record.key for record in records)


def test_other_context_variables_go_along_too() -> None:
    request: contextvars.ContextVar[str] = contextvars.ContextVar("request", default="none")
    with bank("memory:", request.get).blocking() as app:
        request.set("r1")
        done: Any = app.execute(Do())
        assert done.reply == "r1"


def test_an_app_that_does_not_run_says_so(store: StoreMaker) -> None:
    app = bank(store())
    blocking = app.blocking()
    with blocking:
        pass
    for use in (lambda: blocking.execute(Do()), lambda: blocking.call(app.__aenter__()), lambda: list(blocking.read())):
        with pytest.raises(StoreClosed, match="not running"):
            use()
    blocking.__exit__(None, None, None)
    with blocking:
        blocking.execute(Do())


def test_a_blocking_app_is_entered_once() -> None:
    with bank("memory:").blocking() as app:
        with pytest.raises(DefinitionError, match="in use already"):
            app.__enter__()
        app.execute(Do())


def test_an_app_that_runs_already_is_refused_and_goes_on() -> None:
    app = bank("memory:")
    with app.blocking() as first:
        with pytest.raises(DefinitionError, match="running already"):
            app.blocking().__enter__()
        first.execute(Do())


def test_when_the_start_fails_no_thread_is_left(tmp_path: Path) -> None:
    before = threads_of_everfold()
    with pytest.raises(StoreUnavailable):
        bank(str(tmp_path / "nowhere" / "bank.db")).blocking().__enter__()
    assert threads_of_everfold() <= before


def test_no_thread_is_left_at_the_end(store: StoreMaker) -> None:
    before = threads_of_everfold()
    with bank(store()).blocking() as app:
        app.execute(Do())
    assert threads_of_everfold() <= before


def test_a_handler_cannot_wait_for_its_own_app() -> None:
    def work() -> object:
        return apps[0].execute(Pay(account="a1", amount=1))

    apps: list[BlockingApp] = []
    with bank("memory:", work).blocking() as app:
        apps.append(app)
        with pytest.raises(DefinitionError, match="would wait for itself"):
            app.execute(Do())


def test_an_interrupt_cancels_what_was_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with bank("memory:").blocking() as app:
        has_started, was_cancelled = threading.Event(), threading.Event()

        async def wait() -> None:
            has_started.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                was_cancelled.set()
                raise

        class Interrupted(Exception):
            """Stands for KeyboardInterrupt, which would stop the tests."""

        def result(_: object) -> None:
            has_started.wait(10)
            raise Interrupted

        with monkeypatch.context() as patch:
            patch.setattr("concurrent.futures.Future.result", result)
            with pytest.raises(Interrupted):
                app.call(wait())
        assert was_cancelled.wait(10)
        app.execute(Do())


async def test_it_may_be_used_inside_a_running_loop(store: StoreMaker) -> None:
    with bank(store()).blocking() as app:
        assert app.execute(Pay(account="a1", amount=3)).reply == 3


def test_a_timeout_holds_here_too(watched: Watched) -> None:
    app = App("bank", store=watched)

    @app.handles(Do)
    async def do(command: Do) -> None:
        await asyncio.Event().wait()

    with app.blocking() as blocking, pytest.raises(TimedOut):
        blocking.execute(Do(), timeout=0.001)
