"""Starting and stopping: everything is checked before anything is opened, and nothing is left open."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from everfold import App, Command, EventStore, Query, Repository
from everfold.engines.memory.engine import MemoryEngine
from everfold.errors import ConfigurationError, DefinitionError, NotAStore, StoreClosed, StoreUnavailable
from tests.app.bank import Account, Pay, balance, bank
from tests.app.stores import StoreMaker, Watched


class Unopened(MemoryEngine):
    """Tells what was done to it, and may fail to open."""

    def __init__(self, failure: BaseException | None = None) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.failure = failure

    async def open(self) -> None:
        self.calls.append("open")
        if self.failure:
            raise self.failure
        await super().open()

    async def close(self) -> None:
        self.calls.append("close")
        await super().close()


class Do(Command):
    pass


class Look(Query[int]):
    pass


class Missing:
    pass


async def refused(app: App, kind: type[Exception], match: str) -> None:
    engine = app.engine
    assert isinstance(engine, Unopened)
    with pytest.raises(kind, match=match):
        await app.__aenter__()
    assert engine.calls == []


async def test_a_handler_that_asks_for_a_missing_service_is_found_before_anything_is_opened() -> None:
    app = App("bank", Account, store=Unopened())

    @app.handles(Do)
    def do(command: Do, missing: Missing) -> None: ...

    await refused(app, DefinitionError, "do asks for Missing, and the app has no service of that type")


async def test_a_repository_of_a_foreign_aggregate_is_found_before_anything_is_opened() -> None:
    app = App("bank", store=Unopened())

    @app.answers(Look)
    async def look(query: Look, accounts: Repository[Account]) -> int:
        return 0

    await refused(app, DefinitionError, "which is no aggregate of this app")


async def test_two_events_with_one_name_are_found_before_anything_is_opened() -> None:
    from everfold import Event

    class Other(Event, name="paid"):
        pass

    await refused(App("bank", Account, Other, store=Unopened()), DefinitionError, "same permanent name 'paid'")


async def test_a_wrong_setting_is_found_before_anything_is_opened() -> None:
    await refused(App("bank", Account, store=Unopened(), retry_attempts=0), ConfigurationError, "retry_attempts")


async def test_a_store_that_cannot_be_opened_is_closed_again_and_may_be_tried_again() -> None:
    engine = Unopened(StoreUnavailable("gone"))
    app = App("bank", Account, store=engine)
    with pytest.raises(StoreUnavailable):
        await app.__aenter__()
    assert engine.calls == ["open", "close"]
    engine.failure = None
    async with app:
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 1


async def test_a_foreign_file_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("These are notes. " * 20)
    with pytest.raises(NotAStore):
        await App("bank", Account, store=str(file)).__aenter__()
    assert file.read_text() == "These are notes. " * 20
    assert os.listdir(tmp_path) == ["notes.txt"]  # noqa: PTH208 (a Path would be refused in async code)


@pytest.mark.parametrize("url", ["mysql://x", "sqlite:///", ":memory:"])
async def test_a_store_that_names_nothing_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError):
        await App("bank", Account, store=url).__aenter__()


async def test_an_app_is_entered_once_and_may_be_entered_again_after_it_ended(store: StoreMaker) -> None:
    app = App("bank", Account, store=store())
    for expected in (1, 2):
        async with app:
            with pytest.raises(DefinitionError, match="running already"):
                await app.__aenter__()
            assert (await app.execute(Pay(account="a1", amount=1))).reply == expected


async def test_two_tasks_cannot_start_one_app_at_the_same_time() -> None:
    engine = Unopened()
    app = App("bank", Account, store=engine)
    outcomes = await asyncio.gather(app.__aenter__(), app.__aenter__(), return_exceptions=True)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["App", "DefinitionError"]
    await app.__aexit__(None, None, None)
    assert engine.calls == ["open", "close"]


async def test_an_app_that_does_not_run_says_so() -> None:
    app = App("bank", Account, store="memory:")
    uses: list[Any] = [
        lambda: app.execute(Pay(account="a1", amount=1)),
        lambda: app.ask(Look()),
        lambda: app.load(Account, "a1"),
    ]
    for when in ("before", "after"):
        for use in uses:
            with pytest.raises(StoreClosed, match="'bank' is not running"):
                await use()
        with pytest.raises(StoreClosed):
            _ = app.store
        if when == "before":
            async with app:
                pass
    await app.__aexit__(None, None, None)


async def test_handlers_are_declared_before_the_app_starts() -> None:
    app = App("bank", Account, store="memory:")
    async with app:
        with pytest.raises(DefinitionError, match="comes too late"):

            @app.handles(Do)
            def do(command: Do) -> None: ...

        with pytest.raises(DefinitionError, match="comes too late"):

            @app.answers(Look)
            def look(query: Look) -> int:
                return 0


async def test_leaving_the_app_finishes_what_was_accepted_and_refuses_the_rest(watched: Watched) -> None:
    async with bank(lambda: watched) as app:
        watched.is_held = True
        accepted = asyncio.create_task(app.execute(Pay(account="a1", amount=1)))
        await watched.arrival()
        store = app.store
        leaving = asyncio.create_task(app.__aexit__(None, None, None))
        await asyncio.sleep(0)
        from tests.app.bank import Paid

        with pytest.raises(StoreClosed):
            await store.append("account-a2", Paid(amount=1))
        watched.let_go.set()
        await leaving
        assert (await accepted).reply == 1
    async with bank(lambda: watched) as app:
        assert await balance(app) == 1


async def test_an_error_inside_the_block_passes_through(store: StoreMaker) -> None:
    with pytest.raises(ValueError, match="mine"):
        async with bank(store) as app:
            await app.execute(Pay(account="a1", amount=1))
            raise ValueError("mine")
    async with bank(store) as app:
        assert await balance(app) == 1


async def test_the_event_store_is_a_service_of_every_start() -> None:
    app = App("bank", Account, store=MemoryEngine())
    seen: list[EventStore] = []

    @app.answers(Look)
    async def look(query: Look, events: EventStore) -> int:
        seen.append(events)
        return await events.head()

    for _ in range(2):
        async with app:
            assert await app.ask(Look()) == 0
            assert seen[-1].engine is app.store.engine
    assert seen[0] is not seen[1]


def test_the_checks_are_on_in_development_only() -> None:
    from everfold.app import lifespan
    from everfold.app.settings import Settings

    is_checked = lifespan._is_checked  # pyright: ignore[reportPrivateUsage] (the rule, without starting Python anew)
    assert is_checked(Settings(checks=True))
    assert not is_checked(Settings(checks=False))
