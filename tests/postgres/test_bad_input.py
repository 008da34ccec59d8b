"""Values that PostgreSQL cannot hold, or only with care: refused alone and with a reason, or stored as they are."""

import random
import string
from collections.abc import AsyncGenerator, Callable

import msgspec
import pytest

from everfold.engines.postgres.engine import PostgresEngine
from everfold.errors import StoreError
from everfold.log.checkpoint import Checkpoint
from everfold.log.condition import Condition
from everfold.log.idempotency import Repeatable
from everfold.log.record import NewRecord
from everfold.log.selection import Selection
from everfold.log.snapshot import Snapshot
from everfold.log.write import Appended, Conflicted, Failed, StreamAppend, Write
from everfold.testing.contracts.engine_case import fresh, one, positions, stored, to_stream, whole_log

LONG = "".join(random.Random(1).choices(string.ascii_letters + string.digits, k=9_000))
AWKWARD = ["a\x1fb", "\x1f", "a'b", 'a"b\\', "{x,NULL}", "%s %%", "NULL", "\u2028\U0010ffff", " ", "\n;--", "$$", ":x"]
MAKERS: dict[str, Callable[[str], Write]] = {
    "stream": to_stream,
    "type": lambda text: to_stream("thing-a", *fresh(type=text)),
    "id": lambda text: to_stream("thing-a", NewRecord("moved", 1, text, "{}")),
    "tag": lambda text: to_stream("thing-a", *fresh(tags=("plain", text))),
    "data": lambda text: to_stream("thing-a", *fresh(data=f'{{"text": "{text}"}}')),
    "key": lambda text: Write(appends=to_stream("thing-a").appends, repeatable=Repeatable(text, "print", "1")),
    "reply": lambda text: Write(appends=to_stream("thing-a").appends, repeatable=Repeatable("k", "print", f'"{text}"')),
    "consumer": lambda text: Write(appends=to_stream("thing-a").appends, checkpoints=(Checkpoint(text, 1),)),
    "snapshot": lambda text: Write(appends=to_stream("thing-a").appends, snapshots=(Snapshot(text, 1, "print", "{}"),)),
    "condition": lambda text: Write(appends=to_stream("a").appends, condition=Condition(Selection(tags=(text,)), 0)),
}
INDEXED = ["stream", "type", "id", "tag", "key", "consumer", "snapshot"]


@pytest.fixture
async def engine(postgres_url: str) -> AsyncGenerator[PostgresEngine]:
    engine = PostgresEngine(postgres_url)
    await engine.open()
    yield engine
    await engine.close()


async def refused_alone(engine: PostgresEngine, write: Write) -> str:
    """Why the write was refused, between two that were stored."""
    before, outcome, after = await engine.append([to_stream("thing-before"), write, to_stream("thing-after")])
    assert (type(before), type(outcome), type(after)) == (Appended, Failed, Appended)
    assert await positions(engine) == [1, 2]
    assert isinstance(outcome, Failed)
    assert isinstance(outcome.error, StoreError)
    return str(outcome.error)


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
@pytest.mark.parametrize("place", MAKERS)
async def test_text_that_no_database_can_hold_is_refused(engine: PostgresEngine, place: str, text: str) -> None:
    reason = await refused_alone(engine, MAKERS[place](text))
    assert any(word in reason for word in ("NUL", "surrogates", "unsupported Unicode")), reason


@pytest.mark.parametrize("place", INDEXED)
async def test_text_that_is_too_long_to_be_found_again_is_refused(engine: PostgresEngine, place: str) -> None:
    assert "larger than PostgreSQL can hold" in await refused_alone(engine, MAKERS[place](LONG))


@pytest.mark.parametrize("text", AWKWARD)
async def test_any_other_text_is_stored_as_it_is(engine: PostgresEngine, text: str) -> None:
    record = NewRecord(text, 1, text, msgspec.json.encode({text: text}).decode(), tags=(text, f"{text}2", text))
    write = Write(
        appends=(StreamAppend(text, (record, *fresh(tags=("", "x")))), StreamAppend(f"{text}'", fresh())),
        repeatable=Repeatable(text, text, msgspec.json.encode(text).decode()),
        checkpoints=(Checkpoint(text, 3),),
    )
    outcomes = await engine.append([write, to_stream("thing-a"), write])
    assert [type(outcome).__name__ for outcome in outcomes] == ["Appended", "Appended", "Repeated"]
    first, second, third, _ = await whole_log(engine)
    assert (first.stream, first.type, first.id, first.data, first.tags) == (
        (text, text, text, record.data, (text, f"{text}2", text))
    )
    assert (second.tags, third.stream) == (("", "x"), f"{text}'")
    for selection in (Selection(stream=text), Selection(types=(text,)), Selection(tags=(text, f"{text}2"))):
        assert (await engine.read(selection, limit=10))[0] == first
    assert await engine.record(text) == first
    assert await engine.checkpoint(text) == 3
    reply = await engine.reply(text)
    assert reply
    assert (reply.fingerprint, msgspec.json.decode(reply.reply)) == (text, text)
    depends = Write(appends=to_stream("b").appends, condition=Condition(Selection(tags=(text,)), 0))
    assert isinstance(await one(engine, depends), Conflicted)
    assert (await engine.verify(after=0, limit=100)).damages == ()


@pytest.mark.parametrize("number", [2**31, 2**63, 2**70])
async def test_a_version_of_a_schema_that_is_no_32_bit_number_is_refused(engine: PostgresEngine, number: int) -> None:
    record = NewRecord("moved", number, "id", "{}")
    assert "out of range" in await refused_alone(engine, to_stream("thing-a", record))


@pytest.mark.parametrize("number", [-1, -5, -(2**70), 2**31, 2**63 - 1, 2**63, 2**70])
async def test_a_version_that_no_stream_can_have_is_a_conflict(engine: PostgresEngine, number: int) -> None:
    """A6: also minus one, which must not be taken for any version."""
    outcome = await one(engine, to_stream("thing-a", expected=number))
    assert isinstance(outcome, Conflicted)
    assert (outcome.expected, outcome.actual) == (number, 0)


@pytest.mark.parametrize(
    ("number", "kind"), [(-(2**70), Conflicted), (-1, Conflicted), (2**63, Appended), (2**70, Appended)]
)
async def test_a_condition_may_begin_anywhere(engine: PostgresEngine, number: int, kind: type) -> None:
    await stored(engine, to_stream("thing-a", *fresh(tags=("t",))))
    write = Write(appends=to_stream("thing-b").appends, condition=Condition(Selection(tags=("t",)), number))
    assert isinstance(await one(engine, write), kind)


@pytest.mark.parametrize("number", [2**63, 2**70])
async def test_a_checkpoint_that_is_no_64_bit_number_is_refused(engine: PostgresEngine, number: int) -> None:
    write = Write(appends=to_stream("thing-a").appends, checkpoints=(Checkpoint("consumer", number),))
    assert "out of range" in await refused_alone(engine, write)


@pytest.mark.parametrize("number", [2**63, 2**70, -(2**70)])
async def test_pages_may_begin_and_end_anywhere(engine: PostgresEngine, number: int) -> None:
    await stored(engine, to_stream("thing-a"))
    assert len(await engine.read(Selection(), after=number, limit=1)) == (number < 0)
    assert len(await engine.read(Selection(), until=number, limit=2**70)) == (number > 0)
    assert len(await engine.read_stream("thing-a", after=number, limit=1)) == (number < 0)
    assert await engine.wait(number, timeout=0) == 1


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
async def test_looking_for_text_that_cannot_be_stored_is_an_error_of_the_store(
    engine: PostgresEngine, text: str
) -> None:
    for asking in (
        engine.read_stream(text, limit=1),
        engine.read(Selection(tags=(text,)), limit=1),
        engine.reply(text),
        engine.checkpoint(text),
        engine.record(text),
        engine.streams(prefix=text, limit=1),
        engine.snapshot(text),
    ):
        with pytest.raises(StoreError, match=r"this cannot be looked for: .*(NUL|surrogates)"):
            await asking


async def test_an_event_of_20_megabytes_in_a_batch(engine: PostgresEngine) -> None:
    data = msgspec.json.encode({"text": "é'\\" * 5_000_000}).decode()
    await stored(engine, to_stream("thing-a"), to_stream("thing-a", *fresh(data=data)), to_stream("thing-a"))
    first, large, last = await whole_log(engine)
    assert (first.version, large.version, last.version) == (1, 2, 3)
    assert large.data == data
    assert (await engine.verify(after=0, limit=10)).damages == ()
