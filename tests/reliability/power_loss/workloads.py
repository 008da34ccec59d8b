"""What the recorded stores do. Each workload aims at some other moment of a store's life."""

from collections.abc import Callable

from everfold.log.checkpoint import Checkpoint
from everfold.log.condition import Condition
from everfold.log.idempotency import Repeatable
from everfold.log.record import NewRecord
from everfold.log.selection import Selection
from everfold.log.snapshot import Snapshot
from everfold.log.write import Appended, Conflicted, Failed, Outcome, Repeated, StreamAppend, Write
from tests.reliability.power_loss.recorder import Recorder

__all__ = ["WORKLOADS", "Workload"]

Workload = Callable[[Recorder], None]
STREAMS = ("account-a", "account-b", "order-1")


def records(name: str, count: int = 1, *, tags: tuple[str, ...] = (), size: int = 40) -> tuple[NewRecord, ...]:
    """Records whose ids and content are unique to this name."""
    return tuple(_record(f"{name}.{number}", tags, size) for number in range(count))


def _record(id: str, tags: tuple[str, ...], size: int) -> NewRecord:
    return NewRecord("deposited", 1, id, f'{{"of":"{id}","fill":"{"x" * size}"}}', tags=tags)


def write(name: str, stream: str = "account-a", count: int = 1) -> Write:
    """A write with an idempotency key, so that it can be retried after a cut."""
    part = StreamAppend(stream, records(name, count))
    return Write(appends=(part,), repeatable=Repeatable(name, "f", f'"{name}"'))


def kinds(outcomes: list[Outcome]) -> set[type[Outcome]]:
    """What became of the writes."""
    return {type(outcome) for outcome in outcomes}


def creation(store: Recorder) -> None:
    """A new store is made, left empty, and opened again."""
    store.open()
    store.reopen()
    store.append(write("first"))
    store.close()


def singles(store: Recorder) -> None:
    """One append at a time, to several streams."""
    store.open_existing()
    for number in range(6):
        stream = STREAMS[number % 3]
        store.append(Write(appends=(StreamAppend(stream, records(f"single{number}", tags=("t",))),)))
    store.close()


def batches(store: Recorder) -> None:
    """Many writes in one transaction, some of several streams."""
    store.open_existing()
    for batch in range(2):
        names = [f"batch{batch}.{number}" for number in range(12)]
        singles = [write(name, f"account-{number}") for number, name in enumerate(names)]
        parts = tuple(
            StreamAppend(stream, records(f"wide{batch}{stream}", 3, tags=("t", stream))) for stream in STREAMS
        )
        store.append(*singles, Write(appends=parts))
    store.append(Write(appends=(StreamAppend("account-long", records("long", 60)),)))
    store.close()


def refusals(store: Recorder) -> None:
    """Writes that are refused, alone and in the midst of others."""
    store.open_existing()
    store.append(write("kept", count=2))
    stale = Write(appends=(StreamAppend("account-a", records("stale"), expected=1),))
    broken = Write(
        appends=(StreamAppend("account-b", records("broken")),),
        condition=Condition(selection=Selection(types=("deposited",)), after=0),
    )
    partly = Write(
        appends=(StreamAppend("order-1", records("partly")), StreamAppend("account-a", records("stale2"), expected=9))
    )
    twice = Write(appends=(StreamAppend("account-b", (*records("new"), *records("kept"))),))
    assert kinds(store.append(stale, broken)) == {Conflicted}
    assert kinds(store.append(write("beside"), stale, partly, write("kept"))) == {Appended, Conflicted, Repeated}
    assert kinds(store.append(write("before", "order-1"), twice, write("after", "order-1"))) == {Appended, Failed}
    store.close()


def companions(store: Recorder) -> None:
    """Replies, checkpoints and snapshots, with records and without."""
    store.open_existing()
    for number in range(1, 4):
        snapshot = Snapshot("account-a", number, "f", f'{{"sum":{number}}}')
        with_records = Write(
            appends=(StreamAppend("account-a", records(f"companion{number}")),),
            repeatable=Repeatable(f"key{number}", "f", "{}"),
            checkpoints=(Checkpoint("mailer", number), Checkpoint(f"only{number}", 1)),
            snapshots=(snapshot,),
        )
        store.append(with_records, Write(checkpoints=(Checkpoint("reader", number),)))
    store.append(Write(repeatable=Repeatable("nothing-stored", "f", "null")))
    store.close()


def checkpoints(store: Recorder) -> None:
    """The write-ahead log is moved into the file and begun anew, shorter and longer than before."""
    store.open_existing()
    store.append(write("one", count=20))
    store.checkpoint()
    store.append(write("two"))
    store.append(write("three"))
    store.checkpoint()
    store.checkpoint()
    store.append(write("four", "account-b", count=3))
    store.checkpoint(restart=True)
    store.append(write("five", "order-1"))
    store.close()


def reopenings(store: Recorder) -> None:
    """The store is closed and opened between appends; some records are larger than a page."""
    store.open_existing()
    store.append(write("small"))
    store.reopen()
    store.append(Write(appends=(StreamAppend("order-1", records("large", size=9_000)),)))
    store.reopen()
    store.append(write("last", "order-1"))
    store.close()


WORKLOADS: dict[str, Workload] = {
    workload.__name__: workload
    for workload in (creation, singles, batches, refusals, companions, checkpoints, reopenings)
}
