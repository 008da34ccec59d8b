"""The promises of docs/promises.md, one by one, kept by SQLite. And: whatever that page cites exists."""

from __future__ import annotations

import ast
import asyncio
import itertools
import re
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from everfold import App, OutcomeUnknown
from everfold.engines.sqlite.file_lock import FileLock
from everfold.errors import ProjectionFailed, UndecodableRecord
from everfold.log.checkpoint import Checkpoint
from everfold.log.condition import Condition
from everfold.log.idempotency import Repeatable
from everfold.log.selection import EVERYTHING, Selection
from everfold.log.snapshot import Snapshot
from everfold.log.write import Appended, Conflicted, StreamAppend, Write
from tests.app.bank import Account, Opened, Paid, Pay, PayAndTake, Unexpected
from tests.app.stores import contents
from tests.reliability.read_side import ledger
from tests.reliability.read_side.examination import Examiner
from tests.reliability.read_side.ledger import projections

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "promises.md"
LIMIT = 60


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "bank.db")


@asynccontextmanager
async def bank(path: str) -> AsyncGenerator[App, None]:
    async with App("bank", Account, Unexpected, store=path, retry_attempts=100) as app:
        yield app


async def payer(path: str, count: int, *key: str) -> Process:
    command = ("-m", "tests.promises.payer", path, str(count), *key)
    return await asyncio.create_subprocess_exec(sys.executable, *command, cwd=ROOT, stdout=PIPE)


async def acknowledged(process: Process) -> list[int]:
    async with asyncio.timeout(LIMIT):
        output, _ = await process.communicate()
    assert process.returncode in (0, -9)
    return [int(line) for line in output.split()]


async def test_1_an_acknowledged_append_survives_the_death_of_its_process(path: str) -> None:
    process = await payer(path, 0)
    assert process.stdout
    async with asyncio.timeout(LIMIT):
        seen = [int(await process.stdout.readline()) for _ in range(20)]
    process.kill()
    seen += await acknowledged(process)
    async with bank(path) as app:
        versions = [record.version for record in await contents(app)]
    assert versions == list(range(1, len(versions) + 1))
    assert versions[: len(seen)] == seen
    assert len(versions) - len(seen) in (0, 1)  # the one that was under way


async def test_2_one_append_is_stored_as_a_whole_or_not_at_all(path: str) -> None:
    async with bank(path) as app:
        paid, other = (app.store.codec.encode(Paid(amount=amount)) for amount in (1, 2))

        def write(expected: int) -> Write:
            return Write(
                appends=(StreamAppend("account-a1", (paid,)), StreamAppend("account-a2", (other,), expected)),
                repeatable=Repeatable("k1", "print", "{}"),
                checkpoints=(Checkpoint("consumer", 7),),
                snapshots=(Snapshot("account-a1", 1, "print", "{}"),),
            )

        engine = app.store.engine
        (outcome,) = await engine.append([write(expected=5)])
        assert isinstance(outcome, Conflicted)
        assert await contents(app) == []
        assert await engine.reply("k1") is None
        assert await engine.checkpoint("consumer") == 0
        assert await engine.snapshot("account-a1") is None
        (outcome,) = await engine.append([write(expected=0)])
        assert isinstance(outcome, Appended)
        assert [record.stream for record in await contents(app)] == ["account-a1", "account-a2"]
        assert await engine.reply("k1")
        assert await engine.checkpoint("consumer") == 7
        assert await engine.snapshot("account-a1")


async def test_2_inline_rows_are_stored_with_their_events_or_neither_is(tmp_path: Path) -> None:
    """The unlucky payment is one that the handler of an inline projection fails on."""
    store = tmp_path / "ledger.db"
    examiner = Examiner(store, is_inline=True)
    async with App("ledger", *projections(mode="inline"), store=str(store)) as app:
        await app.store.append("account-a", ledger.Opened(owner="Ann"), ledger.Paid(amount=5))
        assert (examiner.faults(), examiner.is_caught_up()) == ([], True)
        outcomes = await asyncio.gather(  # in one group commit
            app.store.append("account-a", ledger.Paid(amount=6)),
            app.store.append("account-a", ledger.Paid(amount=1), ledger.Paid(amount=ledger.UNLUCKY)),
            app.store.append("account-a", ledger.Paid(amount=7)),
            return_exceptions=True,
        )
        assert [type(outcome) for outcome in outcomes] == [Appended, ProjectionFailed, Appended]
        assert (examiner.faults(), examiner.is_caught_up()) == ([], True)
        assert [record.data for record in await contents(app)][2:] == ['{"amount":6}', '{"amount":7}']
        assert await app.ask(ledger.BalanceOf(account="a")) == 18


async def test_3_what_begins_after_an_acknowledgement_comes_behind_it(path: str) -> None:
    intervals: list[tuple[int, int, int]] = []
    ticks = itertools.count()

    async def pay(app: App, account: str) -> None:
        for _ in range(10):
            begun = next(ticks)
            done = await app.execute(Pay(account=account, amount=1))
            intervals.append((begun, next(ticks), done.position))

    async with bank(path) as one, bank(path) as two:
        work = (pay(app, f"a{number % 3}") for number, app in enumerate([one, two] * 4))
        await asyncio.gather(*work, acknowledged(await payer(path, 20)))
    for begun, _, position in intervals:
        before = [known for _, ended, known in intervals if ended < begun]
        assert position > max(before, default=0)
    assert any(begun < other < ended for begun, ended, _ in intervals for other, _, _ in intervals), "none overlapped"


async def test_3_a_reader_at_the_tail_sees_every_position_once_and_in_order(path: str) -> None:
    payments, own = 40, 80

    async def follow(app: App, end: int) -> list[int]:
        seen: list[int] = []
        while len(seen) < end:
            last = seen[-1] if seen else 0
            await app.store.engine.wait(last)
            seen += [record.position for record in await app.store.engine.read(EVERYTHING, after=last, limit=7)]
        return seen

    async with bank(path) as app:
        following = asyncio.create_task(follow(app, 2 * payments + own))
        processes = [await payer(path, payments) for _ in range(2)]
        work = [app.execute(Pay(account="a1", amount=1)) for _ in range(own)]
        await asyncio.gather(*work, *(acknowledged(process) for process in processes))
        async with asyncio.timeout(LIMIT):
            assert await following == list(range(1, 2 * payments + own + 1))


async def test_1_apps_that_share_a_process_and_a_file_lose_nothing_when_other_processes_end(path: str) -> None:
    async with bank(path) as one, bank(path) as two:
        for _ in range(3):
            assert len(await acknowledged(await payer(path, 5))) == 5
            await one.execute(Pay(account="a1", amount=1))
            await two.execute(Pay(account="a1", amount=1))
    async with bank(path) as app:
        assert [record.version for record in await contents(app)] == list(range(1, 22))
        assert (await app.store.engine.verify(after=0, limit=100)).damages == ()


async def test_3_what_was_refused_or_rolled_back_burns_no_position(path: str) -> None:
    async with bank(path) as app:
        for _ in range(3):
            await asyncio.gather(
                *(app.store.append("account-a1", Opened(owner="Ann"), expected=0) for _ in range(5)),
                app.execute(PayAndTake(account="a2", pay=1, take=9)),
                app.execute(Pay(account="a3", amount=1)),
                return_exceptions=True,
            )
        assert [record.position for record in await contents(app)] == [1, 2, 3, 4]


async def test_4_expected_versions_hold_between_processes(path: str) -> None:
    async with bank(path):
        processes = [await payer(path, 25) for _ in range(3)]
        versions = [version for process in processes for version in await acknowledged(process)]
    assert sorted(versions) == list(range(1, 76))


async def test_4_conditions_hold_between_engines(path: str) -> None:
    async with bank(path) as one, bank(path) as two:
        condition = Condition(Selection(types=("opened",)), 0)
        outcomes = await asyncio.gather(
            *(
                app.store.append(f"account-{number}", Opened(owner="Ann"), condition=condition)
                for number, app in enumerate([one, two] * 10)
            ),
            return_exceptions=True,
        )
        assert sum(isinstance(outcome, Appended) for outcome in outcomes) == 1
        assert await one.store.head() == 1


async def test_5_one_key_has_one_effect_in_many_processes(path: str) -> None:
    async with bank(path) as app:
        processes = [await payer(path, 5, "k1") for _ in range(3)]
        assert [await acknowledged(process) for process in processes] == [[1] * 5] * 3
        done = await app.execute(Pay(account="a1", amount=1), idempotency_key="k1")
        assert (done.repeated, done.reply, done.events) == (True, 1, (Paid(amount=1),))
        assert await app.store.head() == 1


async def test_7_an_append_that_was_handed_over_is_never_called_a_failure(path: str) -> None:
    async with bank(path) as app:
        lock = FileLock(path + "-lock", timeout=LIMIT)
        command = Pay(account="a1", amount=1)
        with lock.held(), pytest.raises(OutcomeUnknown):
            await app.execute(command, idempotency_key="k1", timeout=0.5)
        lock.close()
        assert (await app.execute(command, idempotency_key="k1")).reply == 1
        assert await app.store.head() == 1


@pytest.mark.parametrize("dump", sorted((Path(__file__).parent / "stores").glob("*.sql")), ids=lambda dump: dump.stem)
async def test_8_a_store_of_every_schema_version_can_be_read_and_written(path: str, dump: Path) -> None:
    connection = sqlite3.connect(path)
    connection.executescript(dump.read_text("utf-8"))  # noqa: ASYNC240 (nobody waits meanwhile)
    connection.close()
    async with bank(path) as app:
        events = [event async for event, _ in app.store.read()]
        assert events == [Opened(owner="Ann"), Paid(amount=5), Paid(amount=7)]
        first = (await contents(app))[0]
        assert (first.metadata.actor, first.metadata.command, first.id[14]) == ("ann", "open", "7")
        done = await app.execute(Pay(account="a1", amount=5), idempotency_key="k1")
        assert (done.repeated, done.reply, done.version) == (True, 5, 2)
        assert (await app.execute(Pay(account="a1", amount=1))).reply == 13
        assert (await app.store.engine.verify(after=0, limit=100)).damages == ()


async def test_9_damage_is_located_and_left_as_it_is(path: str) -> None:
    async with bank(path) as app:
        for _ in range(3):
            await app.execute(Pay(account="a1", amount=1))
    connection = sqlite3.connect(path)
    connection.executescript(
        "DROP TRIGGER events_are_never_changed; UPDATE events SET data = '{\"amount\":9}' WHERE position = 2;"
        "UPDATE events SET data = '{\"amount\":' WHERE position = 3;"
    )
    connection.close()
    async with bank(path) as app:
        verified = await app.store.engine.verify(after=0, limit=100)
        assert [damage.position for damage in verified.damages] == [2, 3]
        with pytest.raises(UndecodableRecord) as error:
            await app.load(Account, "a1")
        assert error.value.position == 3
        assert [record.data for record in await contents(app)] == ['{"amount":1}', '{"amount":9}', '{"amount":']


def cited() -> list[str]:
    return re.findall(r"`(tests/[^`]+)`", PAGE.read_text("utf-8"))


def names_in(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("citation", sorted(set(cited())))
def test_what_the_page_cites_exists(citation: str) -> None:
    file, colons, name = citation.partition("::")
    assert (ROOT / file).exists()
    assert not colons or name in names_in(ROOT / file)


def test_every_line_of_the_page_cites_a_test_or_says_that_it_waits() -> None:
    promises = re.split(r"^## ", PAGE.read_text("utf-8"), flags=re.MULTILINE)[1:]
    numbered = [promise for promise in promises if promise[0].isdigit()]
    assert [int(promise.split(".")[0]) for promise in numbered] == list(range(1, 11))
    lines = [line for promise in numbered for line in promise.split("\n- ")[1:]]
    assert len(lines) > 20
    assert [line for line in lines if "`tests/" not in line and "not built yet" not in line] == []


def test_every_anomaly_is_named_with_a_test_that_would_show_it() -> None:
    """A1 to A16 of the catalogue: each has one line in the table, and a test."""
    lines = re.findall(r"^\| (A\d+) \| (.+?) \| (.+) \|$", PAGE.read_text("utf-8"), flags=re.MULTILINE)
    assert [name for name, _, _ in lines] == [f"A{number}" for number in range(1, 17)]
    for name, _, tests in lines:
        citations = re.findall(r"`(tests/[^`]+)`", tests)
        assert citations, name
        assert all("::" in citation for citation in citations), f"{name}: name the test itself"


def test_every_promise_test_is_cited() -> None:
    own = {name for name in names_in(Path(__file__)) if re.match(r"test_\d", name)}
    assert own <= {citation.partition("::")[2] for citation in cited()}
