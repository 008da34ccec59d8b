"""The write lock between processes: an advisory lock on a file beside the store.

Everybody who commits to or checkpoints the store holds it, so SQLite itself never reports a busy file
to us, waiting is cheap, and no checkpoint overlaps a commit. The last point also guards against the
WAL-reset bug of SQLite 3.7.0 to 3.51.2, where the two at the same moment can damage the file.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

from everfold.errors import StoreBusy, StoreReadOnly, StoreUnavailable

if sys.platform != "win32":
    import fcntl

__all__ = ["IS_SUPPORTED", "FileLock"]

IS_SUPPORTED = sys.platform != "win32"
FIRST_PAUSE = 0.0001
LONGEST_PAUSE = 0.005


class FileLock:
    """One process's handle on the lock file. Each thread that needs the lock has a handle of its own."""

    def __init__(self, path: str, *, timeout: float) -> None:
        self._path = path
        self._timeout = timeout
        try:
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        except PermissionError as error:
            raise StoreReadOnly(f"{path}: the lock file cannot be written. Mend the folder's permissions.") from error
        except OSError as error:
            raise StoreUnavailable(
                f"{path}: the lock file cannot be opened ({error.strerror}). Check that its folder exists."
            ) from error

    @contextmanager
    def held(self) -> Generator[None]:
        """Hold the lock; :class:`StoreBusy` when others keep it for longer than the timeout (in seconds)."""
        self._acquire()
        try:
            yield
        finally:
            if IS_SUPPORTED:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the handle back."""
        os.close(self._descriptor)

    def _acquire(self) -> None:
        if self._try():
            return
        deadline = time.monotonic() + self._timeout
        pause = FIRST_PAUSE
        while not self._try():
            if time.monotonic() > deadline:
                raise StoreBusy(
                    f"Another process has held the write lock {self._path} for more than {self._timeout:g} seconds. "
                    "Nothing was stored. Retry, look for a stopped process, or raise the setting lock_timeout."
                )
            time.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _try(self) -> bool:
        if not IS_SUPPORTED:
            return True  # SQLite's own lock with its busy timeout has to do there
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise StoreUnavailable(
                f"{self._path}: the file system gives no locks ({error.strerror}). Put the store on a local disk."
            ) from error
        return True
