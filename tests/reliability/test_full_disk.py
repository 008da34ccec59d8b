"""A disk without space: a clear error, nothing lost, and on it goes when there is space again."""

import os
import subprocess
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from everfold.errors import OutcomeUnknown, StoreFull, StoreUnavailable
from tests.reliability.evidence import Evidence, check_store
from tests.reliability.processes import Process

REFUSED = {StoreFull.__name__, StoreUnavailable.__name__}
UNKNOWN = OutcomeUnknown.__name__


@contextmanager
def small_disk() -> Generator[Path]:
    """A file system of 2 MB in memory, where that is allowed."""
    with tempfile.TemporaryDirectory() as folder:
        mount = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", folder], capture_output=True, text=True, check=False
        )
        if mount.returncode:
            pytest.skip(f"mounting a small file system needs more rights: {mount.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


async def test_a_full_disk_refuses_and_goes_on_when_space_is_freed() -> None:
    """Promises 1 and 7 (A1, A2): `StoreFull` is definite, and no restart is needed."""
    evidence = Evidence()
    with small_disk() as folder:
        ballast = folder / "ballast"
        ballast.write_bytes(bytes(900_000))
        with Process("fill", folder / "log.db", "p") as process:
            process.go()
            refusal = process.until("error")
            ballast.unlink()
            process.go()
            evidence.add(process.listen_to_the_end())
        assert refusal[2] == StoreFull.__name__
        assert process.reports[-1] == ["closed"]
        evidence.refused = {facts[0] for facts in evidence.errors}
        log = await check_store(folder / "log.db", evidence)
    assert len(log) == len(evidence.stored) > 5


async def test_a_limit_on_the_size_of_files_refuses_and_goes_on_when_it_is_lifted(tmp_path: Path) -> None:
    """Promises 1 and 7 (A1, A2): the write that hit the limit is refused, or unknown and then whole or absent."""
    evidence = Evidence()
    with Process(f"fill:{1_000_000}", tmp_path / "log.db", "p") as process:
        process.go()
        refusal = process.until("error")
        process.go()
        evidence.add(process.listen_to_the_end())
    assert process.reports[-1] == ["closed"]
    assert refusal[2] in REFUSED | {UNKNOWN}
    evidence.refused = {facts[0] for facts in evidence.errors if facts[1] != UNKNOWN}
    log = await check_store(tmp_path / "log.db", evidence)
    assert len(log) >= len(evidence.stored) > 5


def injecting(call: str) -> list[str]:
    """The beginning of a command whose system calls of this name fail for a while."""
    tracing = ["strace", "-f", "-qq", "-o", os.devnull, "-e", f"trace={call}"]
    try:
        probe = subprocess.run([*tracing, "true"], capture_output=True, check=False, timeout=20)
    except FileNotFoundError:
        pytest.skip("strace is not installed")
    if probe.returncode:
        pytest.skip("strace may not trace here")
    return [*tracing, "-e", f"inject={call}:error=EIO:when=60..64"]


@pytest.mark.parametrize("call", ["fsync,fdatasync", "pwrite64"])
async def test_system_calls_that_fail_cost_no_acknowledged_append(tmp_path: Path, call: str) -> None:
    """Promises 1 and 7 (A1, A2, A4): an input/output error is refused or unknown, and the engine goes on after it."""
    evidence = Evidence()
    with Process("some", tmp_path / "log.db", "p", under=injecting(call)) as process:
        process.go()
        evidence.add(process.listen_to_the_end())
    assert process.reports[-1] == ["closed"]
    assert {facts[1] for facts in evidence.errors} <= REFUSED | {UNKNOWN}
    assert evidence.errors
    evidence.refused |= {facts[0] for facts in evidence.errors if facts[1] != UNKNOWN}
    await check_store(tmp_path / "log.db", evidence)
