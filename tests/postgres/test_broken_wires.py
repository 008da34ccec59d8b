"""A client or a wire that stops in the middle of a message: no lock is held, and what is unknown is called unknown."""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from everfold.engines.postgres.engine import PostgresEngine
from everfold.errors import OutcomeUnknown
from everfold.log.write import Appended, Repeated, Write
from everfold.testing.contracts.engine_case import fresh, one, positions, stored, to_stream
from tests.postgres.author import again, attempt
from tests.postgres.server import PostgresServer, url_at
from tests.postgres.wire import Wire

LARGE = '{"text": "' + "x" * 20_000_000 + '"}'


@pytest.fixture
async def wire(postgres_server: PostgresServer) -> AsyncGenerator[Wire]:
    with Wire(postgres_server.port) as wire:
        yield wire


@pytest.fixture
async def distant(wire: Wire, postgres_url: str) -> AsyncGenerator[PostgresEngine]:
    """An engine at the other end of the wire."""
    engine = PostgresEngine(url_at(wire.port, schema=postgres_url.partition("schema=")[2]), readers=1)
    await engine.open()
    yield engine
    await engine.close()


@pytest.fixture
async def near(distant: PostgresEngine, postgres_url: str) -> AsyncGenerator[PostgresEngine]:
    """Another engine, which talks to the server itself."""
    engine = PostgresEngine(postgres_url, readers=1)
    await engine.open()
    yield engine
    await engine.close()


async def test_half_a_message_holds_no_lock(distant: PostgresEngine, near: PostgresEngine, wire: Wire) -> None:
    """A9: an append of 20 MB whose sender is stopped in the middle of it is none yet, and delays nobody."""
    await stored(distant, to_stream("thing-a"))
    passed = 0

    def some(piece: bytes) -> bool:
        nonlocal passed
        passed += len(piece)
        return passed < 5_000_000

    wire.to_server = some
    stopped = asyncio.create_task(one(distant, to_stream("thing-large", *fresh(data=LARGE))))
    await asyncio.to_thread(wire.held.wait, 60)
    for number in range(10):
        (outcome,) = await asyncio.wait_for(stored(near, to_stream("thing-b")), 10)
        assert outcome.first == number + 2
    wire.cut()
    with pytest.raises(OutcomeUnknown):
        await stopped
    assert await positions(near) == list(range(1, 12))


@pytest.mark.parametrize("hears", [True, False])
async def test_an_answer_that_never_comes_is_an_unknown_outcome(
    distant: PostgresEngine, near: PostgresEngine, wire: Wire, hears: bool
) -> None:
    """I3: the commit arrived and its answer did not, or it never arrived. The same key tells, and has one effect."""
    await stored(distant, to_stream("thing-a"))

    def silent(piece: bytes) -> bool:
        return False

    if hears:
        wire.to_client = silent
    else:
        wire.to_server = silent
    write = attempt("key", {"thing-b": 2})
    unanswered = asyncio.create_task(distant.append([write]))
    await asyncio.to_thread(wire.held.wait, 60)
    wire.cut()
    with pytest.raises(OutcomeUnknown, match=r"may or may not be stored\. Retry with the same idempotency key"):
        await unanswered
    outcome = await one(distant, again(write, tries=2))
    assert isinstance(outcome, Repeated if hears else Appended)
    assert await positions(near) == [1, 2, 3]


async def test_with_inline_rows_too(distant: PostgresEngine, near: PostgresEngine, wire: Wire) -> None:
    """The commit of an append of several messages is the last of them."""
    write: Write = attempt("key", {"thing-b": 2})

    class CutsBeforeCommit:
        def begin(self, connection: object, **_: object) -> None: ...
        def apply(self, records: object) -> None: ...
        def flush(self) -> None:
            wire.to_client = lambda _: False

        def end(self, *, is_committed: bool) -> None:
            assert not is_committed

    distant.hook(CutsBeforeCommit())
    unanswered = asyncio.create_task(distant.append([write]))
    await asyncio.to_thread(wire.held.wait, 60)
    wire.cut()
    with pytest.raises(OutcomeUnknown):
        await unanswered
    distant.hook(None)
    assert isinstance(await one(distant, again(write, tries=2)), Repeated)
    assert await positions(near) == [1, 2]
