"""The recording is true: it leaves nothing out, and the same work is recorded in the same way."""

from pathlib import Path

import pytest

from everfold.log.write import StreamAppend, Write
from tests.reliability.power_loss.campaign import Campaign
from tests.reliability.power_loss.disk import Disk, File
from tests.reliability.power_loss.recorder import Recorder, recorder
from tests.reliability.power_loss.workloads import WORKLOADS, records


def replayed(store: Recorder) -> dict[str, bytes]:
    """What the files contain according to the trace."""
    disk = Disk()
    for operation in store.trace:
        disk.apply(operation)
    return {name: synced(file) for name, file in disk.folder([True] * len(disk.changes)).items()}


def synced(file: File) -> bytes:
    file.sync()
    return file.durable


def test_a_trace_replays_to_the_very_files(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with recorder(str(path)) as store:
        store.open()
        for number in range(4):
            store.append(Write(appends=(StreamAppend("account-a", records(f"n{number}", size=9_000)),)))
            if number % 2:
                store.checkpoint(restart=True)
            files = replayed(store)
            assert {"", "-wal"} == set(files)
            assert all(Path(f"{path}{name}").read_bytes() == content for name, content in files.items())
        store.close()
    assert replayed(store) == {"": path.read_bytes()}


@pytest.mark.parametrize("workload", WORKLOADS)
def test_a_recording_can_be_repeated_exactly(workload: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    second.mkdir()
    assert Campaign(workload, first).recording == Campaign(workload, second).recording
