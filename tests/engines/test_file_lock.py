"""The file lock: one holder at a time, a bounded wait, and errors of the file system in our own words."""

import errno
import fcntl
import os
from pathlib import Path
from unittest.mock import patch

import pytest

from everfold.engines.sqlite import file_lock
from everfold.engines.sqlite.file_lock import FileLock
from everfold.errors import StoreBusy, StoreReadOnly, StoreUnavailable


def test_one_holder_at_a_time(tmp_path: Path) -> None:
    first, second = (FileLock(str(tmp_path / "lock"), timeout=0.02) for _ in range(2))
    with first.held(), pytest.raises(StoreBusy, match=r"0\.02 seconds"), second.held():
        pass
    with second.held():
        pass
    first.close()
    second.close()


def test_the_lock_is_given_back_when_the_work_fails(tmp_path: Path) -> None:
    lock = FileLock(str(tmp_path / "lock"), timeout=0)
    with pytest.raises(ZeroDivisionError), lock.held():
        _ = 1 // 0
    with lock.held():
        pass
    lock.close()


def test_closing_the_handle_gives_the_lock_back(tmp_path: Path) -> None:
    lock = FileLock(str(tmp_path / "lock"), timeout=0)
    descriptor = os.open(tmp_path / "lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(StoreBusy), lock.held():
        pass
    os.close(descriptor)
    with lock.held():
        pass
    lock.close()


def test_a_file_system_without_locks_is_named(tmp_path: Path) -> None:
    lock = FileLock(str(tmp_path / "lock"), timeout=0)
    with (
        patch("fcntl.flock", side_effect=OSError(errno.ENOLCK, "No locks available")),
        pytest.raises(StoreUnavailable, match="gives no locks"),
        lock.held(),
    ):
        pass
    lock.close()


@pytest.mark.parametrize(("number", "error"), [(errno.EACCES, StoreReadOnly), (errno.ENOTDIR, StoreUnavailable)])
def test_a_lock_file_that_cannot_be_opened(tmp_path: Path, number: int, error: type[Exception]) -> None:
    with patch("os.open", side_effect=OSError(number, os.strerror(number))), pytest.raises(error, match="lock file"):
        FileLock(str(tmp_path / "lock"), timeout=0)


def test_where_there_are_no_such_locks_sqlites_own_have_to_do(tmp_path: Path) -> None:
    lock = FileLock(str(tmp_path / "lock"), timeout=0)
    with patch.object(file_lock, "IS_SUPPORTED", False), lock.held(), lock.held():
        pass
    lock.close()
